"""The runtime of a network, PyTorch or OpenVINO: compared once on a few photographs, and remembered."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from workbench.common.files import replace_file
from workbench.common.packages import installed, require_extra
from workbench.common.text import parse_json
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.device import single_threaded_operations
from workbench.features.network import Network, UnsuitableSize
from workbench.features.openvino_graph import Unconvertible
from workbench.features.openvino_network import MANY, OpenVINONetwork
from workbench.features.photographs import photographs

WORTHWHILE = 1000  # images from which a comparison, of some seconds, is worth its time
AGREEMENT = 0.9995  # mean cosine to maps of PyTorch in float32
FASTER = 1.05  # times the speed of PyTorch, from which another runtime is chosen
RULES = 4  # increased when the comparison changes
_RUNS = 3


@dataclass(frozen=True)
class Comparison:
    """A network in OpenVINO against itself in PyTorch.

    ``reason``: why it cannot be converted; empty if it can. ``cosine``: the mean cosine of its maps to those
    of PyTorch in float32. ``speed``: its images in a second against PyTorch's, on one core, of shapes with
    graphs of their own, as common shapes have.
    """

    reason: str = ""
    cosine: float = 0.0
    speed: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether its maps are as near to those of float32 as they should be."""
        return not self.reason and self.cosine >= AGREEMENT

    @property
    def is_better(self) -> bool:
        """Whether OpenVINO is to be used: its maps agree, and it is faster."""
        return self.agrees and self.speed >= FASTER


@dataclass(frozen=True)
class Choice:
    """Whether OpenVINO runs a network, the converted network if it was made, and notes for the user."""

    openvino: bool
    network: OpenVINONetwork | None = None
    notes: list[str] = field(default_factory=list)


def choose(
    options: Options,
    name: Sequence[str],
    device: str,
    precision: str,
    side: int | None,
    pictures: int,
    stored: Callable[[bool], int],
    load: Callable[[str], Network],
) -> Choice:
    """Choose the runtime of a network, by ``options.runtime`` and its comparison.

    ``name``: what determines the network; ``side``: its only size of input, if it has one; ``pictures``: how
    many it is for; ``stored``: of how many of them maps by OpenVINO, or else by PyTorch, are stored; ``load``
    builds it in PyTorch, in a precision. Raises WorkbenchError if OpenVINO is wanted and missing.

    By ``auto``, pictures whose maps are stored keep their runtime, so that their numbers stay the same.
    """
    wanted, suitable = options.runtime, device == "cpu" and precision != "float16"
    if wanted == "openvino":
        require_extra("openvino", "runtime 'openvino'", "openvino")
    if wanted == "torch" or not suitable or not installed("openvino"):
        unused = "PyTorch ran the network: OpenVINO is used on a CPU, and not in float16"
        return Choice(False, None, [unused] if wanted == "openvino" else [])
    if wanted == "auto":
        before = _before(pictures, stored)
        if before == "torch" or (not before and pictures < WORTHWHILE):
            return Choice(False)
        wanted = before or wanted
    words = [*name, precision, str(side), version("openvino"), torch.__version__, str(RULES)]
    digest = blake2b(json.dumps(words).encode(), digest_size=12).hexdigest()
    file, network = options.cache / "runtimes" / f"{digest}.json", None
    comparison = _remembered(file)
    if comparison is None:
        comparison, network = _compare(load, precision, side)
        with contextlib.suppress(OSError, WorkbenchError):  # it cannot be written: compared again next time
            replace_file(file, json.dumps(asdict(comparison)).encode())
    if wanted == "auto":
        return Choice(True, network) if comparison.is_better else Choice(False)
    if comparison.reason:
        return Choice(False, None, [f"PyTorch ran the network: {comparison.reason}"])
    differs = f"the maps of OpenVINO have a cosine of {comparison.cosine:.4f} to those of PyTorch in float32"
    return Choice(True, network, [] if comparison.agrees else [differs])


def _before(pictures: int, stored: Callable[[bool], int]) -> str:
    """The runtime that has stored the maps of at least half of the pictures, and of more than the other."""
    by_torch, by_openvino = stored(False), stored(True)
    if by_torch == by_openvino or 2 * max(by_torch, by_openvino) < pictures:
        return ""
    return "openvino" if by_openvino > by_torch else "torch"


def _remembered(file: Path) -> Comparison | None:
    try:
        return Comparison(**parse_json(file.read_bytes()))
    except (OSError, ValueError, TypeError):  # not there, or damaged
        return None


def _compare(
    load: Callable[[str], Network], precision: str, side: int | None
) -> tuple[Comparison, OpenVINONetwork | None]:
    single = load("float32")
    try:
        converted = OpenVINONetwork(single, side, precision)
        images = [torch.from_numpy(photo)[None] for photo in photographs(side)]
        usual = single if precision == "float32" else load(precision)
        with single_threaded_operations():
            exact = [single(image) for image in images]
            cosine = float(np.mean([_cosine(e, converted(i)) for e, i in zip(exact, images, strict=True)]))
            converted.prepare((image.shape[2], image.shape[1]) for image in images for _ in range(MANY))
            # In turn, so that other programs disturb both.
            runs = [(_seconds(usual, images), _seconds(converted, images)) for _ in range(_RUNS)]
    except (Unconvertible, UnsuitableSize) as error:
        return Comparison(reason=str(error)), None
    usual_seconds, seconds = (min(times) for times in zip(*runs, strict=True))
    return Comparison("", cosine, usual_seconds / seconds), converted


def _cosine(first: torch.Tensor, second: torch.Tensor) -> float:
    a, b = (maps.contiguous().flatten().double() for maps in (first, second))
    return float(a @ b / (a.norm() * b.norm()).clamp(min=1e-30))


def _seconds(network: Network | OpenVINONetwork, images: Sequence[torch.Tensor]) -> float:
    started = time.perf_counter()
    for image in images:
        network(image)
    return time.perf_counter() - started
