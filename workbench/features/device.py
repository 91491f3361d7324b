"""The device, precision, memory and threads of extraction and training."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from workbench.common.torch_device import choose_device as choose_device
from workbench.config.errors import WorkbenchError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # constants of glibc's malloc.h
_lock = threading.Lock()
_usual: list[int] = []  # the usual number of threads, once for each active ``single_threaded_operations``


@lru_cache(maxsize=1)
def _cpu_has_bfloat16() -> bool:
    capabilities = torch.backends.cpu.get_cpu_capability()
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        flags = ""
    return "AVX512" in capabilities and ("avx512_bf16" in flags or "amx_bf16" in flags)


def choose_precision(precision: str, device: str) -> str:
    """Resolve ``auto``: bfloat16 with native support, float16 on other CUDA devices, else float32."""
    if precision not in ("auto", "float32", "bfloat16", "float16"):
        raise WorkbenchError(f"precision {precision!r} is not known; valid: auto, float32, bfloat16, float16")
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if device == "cpu" and _cpu_has_bfloat16() else "float32"


def keep_freed_memory() -> None:
    """Let the C library, if it is glibc, keep freed memory for later allocations.

    By default it returns large blocks to the system at once; to allocate them again, page by page, takes a
    third of the time of training a small network (benchmarks/hardnet.py).
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 2**30)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)


@contextlib.contextmanager
def single_threaded_operations() -> Iterator[int]:
    """Run each torch operation on one thread, for work that starts its own threads; yields the usual number.

    The setting is partly global to the process: if several blocks overlap, each restores the number from
    before the first.
    """
    with _lock:
        _usual.append(_usual[0] if _usual else torch.get_num_threads())
        torch.set_num_threads(1)
    try:
        yield _usual[0]
    finally:
        with _lock:
            torch.set_num_threads(_usual.pop())


def map_in_order(pool: ThreadPoolExecutor, work: Any, jobs: Iterator[Any], threads: int) -> Iterator[Any]:
    """Run jobs in threads, at most ``2·threads`` ahead, and yield their results in order."""
    waiting: list[Any] = []
    try:
        for job in jobs:
            waiting.append(pool.submit(work, *job))
            if len(waiting) > 2 * threads:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    finally:
        for job in waiting:  # after an error or a cancel
            job.cancel()
