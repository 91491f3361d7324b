"""What on a machine is missing or slow, and how to mend it."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from workbench.config import WorkbenchError


class Finding(NamedTuple):
    good: bool
    what: str
    mend: str = ""


def examine(cache: Path | None = None, weights: Path | None = None) -> list[Finding]:
    """Look at libraries, weights, processor and disk."""
    return [
        _libraries(),
        *(
            _importable(name)
            for name in ("faiss", "cv2", "umap", "jupyterlab", "ipywidgets", "anywidget", "plotly")
        ),
        _guarded(_weights, "weights", weights),
        _guarded(_speed, "speed"),
        _guarded(_disk, "disk", cache),
    ]


def _guarded(look: Callable[..., Finding], what: str, *arguments: object) -> Finding:
    try:
        return look(*arguments)
    except WorkbenchError as error:
        return Finding(False, what, str(error))
    except (ImportError, RuntimeError) as error:
        return Finding(False, what, f"cannot be looked at before the libraries are mended ({error})")


def _libraries() -> Finding:
    try:
        import timm
        import torch
        import torchvision
    except (ImportError, RuntimeError) as error:
        return Finding(False, "torch and torchvision do not work together", mismatch(error))
    return Finding(
        True, f"torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}"
    )


def mismatch(error: Exception) -> str:
    """What to do where torch, torchvision or timm cannot be imported."""
    reason = str(error).split("\n")[0]
    if "nms" in reason or "torchvision" in reason:
        return (
            f"torchvision does not fit this torch ({reason}): a processor-only torch needs the torchvision "
            "of the same build; run pip uninstall -y torch torchvision, then pip install torch torchvision "
            "together, from one place"
        )
    return f"{reason}; install the package again in a fresh environment"


def _importable(name: str) -> Finding:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return Finding(False, name, f"cannot be imported ({error}); run pip install --force-reinstall for it")
    return Finding(True, f"{name} {getattr(module, '__version__', '')}".strip())


def _weights(chosen: Path | None) -> Finding:
    from workbench.features import weights
    from workbench.features.backbones import BACKBONES

    place = weights.folder(chosen)
    if place is not None and not place.is_dir():
        return Finding(
            False, "weights folder", f"{str(place)!r} does not exist; check --weights or WORKBENCH_WEIGHTS"
        )
    states = {name: weights.availability(name, chosen) for name in BACKBONES}
    here = [name for name, state in states.items() if state != "download"]
    return Finding(True, f"weights here: {', '.join(here)}; others come by download")


def _speed() -> Finding:
    import torch

    from workbench.features.hardware import choose_device, choose_precision

    device = choose_device("auto")
    precision = choose_precision("auto", device)
    what = f"extraction on {device} in {precision}, {os.cpu_count()} cores"
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads and int(threads) < (os.cpu_count() or 1) and torch.get_num_threads() == int(threads):
        return Finding(False, what, f"OMP_NUM_THREADS={threads} keeps PyTorch from using all cores; unset it")
    return Finding(True, what)


def _disk(chosen: Path | None) -> Finding:
    from workbench.opening import default_cache

    place = (chosen or default_cache()).expanduser()
    try:
        place.mkdir(parents=True, exist_ok=True)
        probe = place / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(
            False, f"cache {place}", f"cannot be written ({error.strerror}); choose another with --cache"
        )
    free = shutil.disk_usage(place).free / 1e9
    what = f"cache {place}, {free:.1f} GB free"
    return Finding(
        free > 2, what, "an image takes about half a megabyte of stored maps; free some space or use --cache"
    )
