"""Libraries that are imported at first use: what only some pipelines need does not delay the others.

``import workbench`` loads no library. What each search needs (torch, NumPy, pandas, Pillow) is imported
as usual by the modules that use it; what some need, such as FAISS, is named by ``lazy_module``, and functions
that Numba compiles by ``compiled``. ``tests/test_imports.py`` lists what commands may load.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


@contextmanager
def torch_exempt() -> Iterator[None]:
    """Exempt from garbage collection what is imported here, if torch is not loaded yet.

    Its hundred thousands of objects stay until the process ends. Collections visit them many times during
    the import, which takes a fifth of its time, and again during all later work.
    """
    exempt = gc.isenabled() and "torch" not in sys.modules
    if exempt:
        gc.disable()
    try:
        yield
    finally:
        if exempt:
            gc.freeze()
            gc.enable()


class _LazyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name == "_imported":
            self._imported = import_module(self.__name__)
            return self._imported
        return getattr(self._imported, name)


def lazy_module(name: str) -> Any:
    """A stand-in for the module of that name, which imports it when an attribute is first read."""
    return _LazyModule(name)


def import_after_torchvision(name: str) -> Any:
    """Import a library that imports modules of torchvision, and torchvision itself before it.

    A thread that imports ``torchvision.models`` holds the lock of that module while it waits for
    ``torchvision``; one that imports ``torchvision``, which imports its models, would wait for the first, and
    Python raises an error in one of them.
    """
    import_module("torchvision")
    return import_module(name)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``numba.njit`` with these options, applied when the function is first called."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        machine_code: list[Callable[..., Any]] = []

        def call(*arguments: Any) -> Any:
            if not machine_code:
                import numba

                machine_code.append(numba.njit(**options)(function))  # twice from two threads is harmless
            return machine_code[0](*arguments)

        call.__doc__, call.__name__ = function.__doc__, function.__name__
        return call

    return decorate
