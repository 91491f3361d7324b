"""Optional packages: whether one is installed, where it is, and the error that names its extra."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from workbench.config.errors import WorkbenchError


def installed(module: str) -> bool:
    """Whether a module is installed; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # a module without a specification
        return False


def package_folder(module: str) -> Path | None:
    """The folder of an installed package, which is not imported; None if it is not installed."""
    spec = importlib.util.find_spec(module) if installed(module) else None
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def install_command(extra: str) -> str:
    """The command that installs the packages of an extra of ``pyproject.toml``."""
    return f'pip install "retrieval-workbench[{extra}]"'


def require_extra(extra: str, purpose: str, *modules: str, instead: str = "") -> None:
    """Raise WorkbenchError with the install command if a module of an extra is missing; none is imported.

    ``purpose`` begins the sentence: what the modules are for, such as "runtime 'openvino'". ``instead`` is
    what can be done otherwise.
    """
    missing = [module for module in modules if not installed(module)]
    if missing:
        are = "packages {} are" if len(missing) > 1 else "package {} is"
        raise WorkbenchError(
            f"{purpose}: the {are.format(' and '.join(missing))} not installed; run {install_command(extra)}"
            + (f", or {instead}" if instead else "")
        )


def import_extra(extra: str, purpose: str, module: str) -> Any:
    """Import a module of an extra. Raises WorkbenchError, as ``require_extra``, if that is not possible."""
    require_extra(extra, purpose, module)
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise WorkbenchError(
            f"{purpose}: the package {module} cannot be imported ({error}); install it again by "
            f"{install_command(extra)} --force-reinstall"
        ) from None
