"""Which device and which precision extraction runs in."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import torch

from workbench.config import WorkbenchError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of glibc's malloc.h
_lock = threading.Lock()
_spreading: list[int] = []  # the usual number of threads, once for each work that is spread now


@lru_cache(maxsize=1)
def _processor_has_bfloat16() -> bool:
    capabilities = torch.backends.cpu.get_cpu_capability()
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        flags = ""
    return "AVX512" in capabilities and ("avx512_bf16" in flags or "amx_bf16" in flags)


def choose_device(device: str) -> str:
    """``auto`` is CUDA, then MPS, then the processor. Raises WorkbenchError where the choice is absent."""
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        raise WorkbenchError(
            f"device {device!r} cannot be used here ({reason}); valid: auto, cpu, cuda, mps"
        ) from None
    return device


def choose_precision(precision: str, device: str) -> str:
    """``auto`` is bfloat16 where the hardware multiplies it natively, float16 on other CUDA, else float32."""
    if precision not in ("auto", "float32", "bfloat16", "float16"):
        raise WorkbenchError(f"precision {precision!r} is not known; valid: auto, float32, bfloat16, float16")
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if device == "cpu" and _processor_has_bfloat16() else "float32"


def hold_memory() -> None:
    """Keep freed memory for what comes next, where the C library (glibc) can be told to.

    It gives large blocks back to the system at once, and to get them anew, page by page, takes a third of the
    time of training a small network (benchmarks/hardnet.py).
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 2**30)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)


@contextlib.contextmanager
def one_thread_each() -> Iterator[int]:
    """Let operations run on one thread, for work spread over threads of its own; yields the usual number.

    A setting of torch's threads is partly the whole process's: of several works at a time, each leaves
    behind what there was before the first.
    """
    with _lock:
        _spreading.append(_spreading[0] if _spreading else torch.get_num_threads())
        torch.set_num_threads(1)
    try:
        yield _spreading[0]
    finally:
        with _lock:
            torch.set_num_threads(_spreading.pop())
