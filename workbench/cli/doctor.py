"""Diagnosis: what is missing or slow on this machine, and the remedy."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from workbench.common.paths import user_path
from workbench.config.errors import (
    WorkbenchError,
    torch_mismatch,
)


class Finding(NamedTuple):
    """One finding: whether it is ``good``, its subject, and the remedy if it is not."""

    good: bool
    subject: str
    remedy: str = ""


def examine(cache: Path | None = None, weights: Path | None = None) -> list[Finding]:
    """Check libraries, weights, processor and disk."""
    return [
        _libraries(),
        *(
            _importable(name)
            for name in ("faiss", "cv2", "umap", "jupyterlab", "ipywidgets", "anywidget", "plotly")
        ),
        _guarded(_weights, "weights", weights),
        _guarded(_keypoints, "learned keypoints"),
        _guarded(_edges, "edges", weights),
        _guarded(_speed, "speed"),
        _guarded(_disk, "disk", cache),
    ]


def _guarded(check: Callable[..., Finding], subject: str, *arguments: object) -> Finding:
    try:
        return check(*arguments)
    except WorkbenchError as error:
        return Finding(False, subject, str(error))
    except (ImportError, RuntimeError) as error:
        return Finding(False, subject, f"cannot be checked before the libraries are repaired ({error})")


def _libraries() -> Finding:
    try:
        import timm
        import torch
        import torchvision
    except (ImportError, RuntimeError) as error:
        return Finding(False, "torch and torchvision do not work together", torch_mismatch(error))
    return Finding(
        True, f"torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}"
    )


def _importable(name: str) -> Finding:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return Finding(False, name, f"cannot be imported ({error}); run pip install --force-reinstall for it")
    return Finding(True, f"{name} {getattr(module, '__version__', '')}".strip())


def _weights(chosen: Path | None) -> Finding:
    from workbench.features import weights
    from workbench.features.backbones import BACKBONES
    from workbench.features.vision_language import models_here

    folder = weights.folder(chosen)
    if folder is not None and not folder.is_dir():
        return Finding(
            False, "weights folder", f"{str(folder)!r} does not exist; check --weights or WORKBENCH_WEIGHTS"
        )
    states = {name: weights.availability(name, chosen) for name in BACKBONES}
    present = [name for name, state in states.items() if state != "download"] + models_here(folder)
    return Finding(True, f"weights here: {', '.join(present)}; others are downloaded on first use")


def _keypoints() -> Finding:
    from workbench.local.learned_weights import FILES, INSTALL, installed, weight_path

    present = [name for name in FILES if installed(name)]
    for name in present:
        weight_path(name)  # raises if the weights are not the known ones
    if len(present) < len(FILES):
        absent = ", ".join(name for name in FILES if name not in present)
        return Finding(True, f"learned keypoints not installed: {absent}; if you need them, run {INSTALL}")
    return Finding(True, f"learned keypoints: {', '.join(present)}")


def _edges(chosen: Path | None) -> Finding:
    from workbench.sketch import hed

    if hed.locate(chosen) is not None:
        return Finding(True, "edges for sketches: HED")
    return Finding(True, f"edges for sketches: Canny; for HED, which is better, run {hed.INSTALL}")


def _speed() -> Finding:
    import torch

    from workbench.features.device import choose_device, choose_precision

    device = choose_device("auto")
    precision = choose_precision("auto", device)
    setup = f"extraction on {device} in {precision}, {os.cpu_count()} cores"
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads and int(threads) < (os.cpu_count() or 1) and torch.get_num_threads() == int(threads):
        return Finding(
            False, setup, f"OMP_NUM_THREADS={threads} keeps PyTorch from using all cores; unset it"
        )
    return Finding(True, setup)


def _disk(chosen: Path | None) -> Finding:
    from workbench.config.options import default_cache

    cache = user_path(chosen or default_cache(), "--cache")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        probe = cache / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(
            False, f"cache {cache}", f"cannot be written ({error.strerror}); choose another with --cache"
        )
    free = shutil.disk_usage(cache).free / 1e9
    return Finding(
        free > 2,
        f"cache {cache}, {free:.1f} GB free",
        "the maps of an image take about half a megabyte; free some space or use --cache",
    )
