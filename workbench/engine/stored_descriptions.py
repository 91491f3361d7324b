"""Descriptors on disk: the vectors of all pictures and the fitted whitenings, memory-mapped by all processes.

A file is named by a digest of everything that its numbers depend on, and is written atomically with a
checksum. The files used last are kept, up to ``MOST_BYTES``.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from safetensors import safe_open

from workbench.common import checksums
from workbench.common.damage import DAMAGE
from workbench.common.files import replacing
from workbench.common.text import parse_json
from workbench.config.config import Config
from workbench.config.steps import Step
from workbench.descriptors import attention, named_whitening, proposals
from workbench.descriptors.aggregation import split_steps
from workbench.descriptors.description import Descriptors
from workbench.descriptors.whitening import Whitening
from workbench.features.map_source import MapSource, scale_factor

VERSION = 1  # increased when the same maps give other descriptors
MOST_BYTES = 10 * 2**30  # of all files of a cache


def path_of(
    source: MapSource,
    keys: Sequence[Sequence[str]],
    config: Config,
    fit_on: Sequence[int],
    pairs: np.ndarray | None,
    provenance: Mapping[str, Any],
) -> Path:
    """The file of the descriptors of pictures, ``keys`` [scale][picture]; see ``descriptors.describe``."""
    digest = xxhash.xxh3_128()
    stores = [source.store(scale_factor(scale)).folder.name for scale in range(config.scales)]
    about = [
        VERSION,
        str(config),
        stores,
        source.spec.name,
        source.options.seed,
        len(keys[0]),
        dict(provenance),
    ]
    digest.update(json.dumps(about, sort_keys=True).encode())
    for names in keys:
        digest.update("\n".join(names).encode(errors="surrogateescape"))
    digest.update(np.asarray(fit_on, np.int64).tobytes())
    digest.update(b"no pairs" if pairs is None else pairs.tobytes())
    for path in _trained_files(config, source):
        digest.update(xxhash.xxh3_128_digest(path.read_bytes()) if path.is_file() else b"missing")
    return source.options.cache / "descriptors" / f"{digest.hexdigest()}.safetensors"


def _trained_files(config: Config, source: MapSource) -> list[Path]:
    """The files of the trained parts of a pipeline; the weights of the network are named by its store."""
    files = [attention.weights_path(config, source)]
    if config.regions.name == "proposals":
        files.append(proposals.weights_path(config, source))
    files.extend(named_whitening.path_of(step, source) for step in config.whitenings if step.learned)
    return [path for path in files if path is not None]


def read(path: Path, config: Config, source: MapSource, rows: int) -> Descriptors | None:
    """Stored descriptors of ``rows`` pictures, memory-mapped; None if their file is missing or damaged."""
    try:
        if not checksums.intact(path):
            return None
        with safe_open(path, framework="pt") as file:
            about = parse_json((file.metadata() or {})["descriptors"])
            vectors = file.get_tensor("vectors")
            steps = split_steps(config)
            named = named_whitening.named_whitenings(config, source)
            regional, final = (
                tuple(
                    _whitening(file, f"{part}{number}", step, about["whitenings"], named)
                    for number, step in enumerate(part_steps)
                )
                for part, part_steps in zip(("regional", "final"), steps, strict=True)
            )
        if vectors.ndim != 2 or len(vectors) != rows:
            raise ValueError("another number of vectors")
        without = int(about["without"])
    except (OSError, *DAMAGE):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # it was used
    trained = attention.load_attention(config, source), proposals.load_proposal_model(config, source)
    return Descriptors(vectors, regional, final, *trained, without)


def _whitening(
    file: Any, name: str, step: Step, about: Mapping[str, Any], named: Mapping[Step, Whitening]
) -> Whitening | None:
    if step in named or step.name == "power":
        return named.get(step)
    header = about[name]
    mean, projection = file.get_tensor(f"{name}.mean"), file.get_tensor(f"{name}.projection")
    return Whitening(header["kind"], mean, projection, header["provenance"])


def write(path: Path, described: Descriptors, config: Config) -> None:
    """Store descriptors atomically; those that cannot be written are computed again next time."""
    arrays, about = {"vectors": described.vectors.numpy()}, {}
    steps = split_steps(config)
    for part, part_steps, fitted in zip(
        ("regional", "final"), steps, (described.regional, described.final), strict=True
    ):
        for number, (step, whitening) in enumerate(zip(part_steps, fitted, strict=True)):
            if whitening is not None and not step.learned:
                name = f"{part}{number}"
                arrays |= {
                    f"{name}.mean": whitening.mean.numpy(),
                    f"{name}.projection": whitening.projection.numpy(),
                }
                about[name] = {"kind": whitening.kind, "provenance": whitening.provenance}
    metadata = json.dumps({"whitenings": about, "without": described.without})
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part_path, part_path.open("wb") as file:
            for content in checksums.sealed_arrays(arrays, {"descriptors": metadata}):
                file.write(content)
        _keep_newest(path.parent)


def _keep_newest(folder: Path) -> None:
    """Delete the files that were not used for the longest time, down to ``MOST_BYTES``."""
    files = [
        (status.st_mtime_ns, status.st_size, entry.path)
        for entry in os.scandir(folder)
        if entry.name.endswith(".safetensors") and (status := entry.stat())
    ]
    left = sum(size for _, size, _ in files)
    for _, size, path in sorted(files)[:-1]:
        if left <= MOST_BYTES:
            return
        os.unlink(path)
        left -= size
