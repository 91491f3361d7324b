"""Downloaded archives: integrity checks, and unpacking that writes no file outside the folder."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

_CHUNK = 1 << 18


def damage_of(path: Path) -> str | None:
    """The reason a downloaded file is damaged, by its own checksums and structure; None if it is not."""
    try:
        if path.suffix == ".pkl":
            from workbench.collections.revisited import read_ground_truth

            read_ground_truth(path)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
                return f"its member {bad} is damaged" if bad else None
        else:
            with gzip.open(path) as file:  # read to the end, where the CRC is
                while file.read(_CHUNK):
                    pass
    except (
        WorkbenchError,
        EOFError,
        RuntimeError,
        zlib.error,
        gzip.BadGzipFile,
        zipfile.BadZipFile,
    ) as error:
        return str(error)
    return None


def unpack(archive: Path, folder: Path, progress: Progress = silent) -> None:
    """Unpack a tar or zip into ``folder``, or copy any other file there.

    Raises WorkbenchError if a member is not a regular file or folder, or if its path leads out of ``folder``.
    """
    try:
        _unpack(archive, folder, progress)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise WorkbenchError(
            f"{archive.name} cannot be unpacked: {error}; delete it and fetch it again"
        ) from None


def _unpack(archive: Path, folder: Path, progress: Progress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as bundle:
            members = bundle.infolist()
            for done, entry in enumerate(members, 1):
                kind = entry.external_attr >> 28  # Unix file type: 0 none, 4 folder, 8 file
                _check_member(archive, entry.filename, kind in (0, 4, 8))
                bundle.extract(entry, folder)
                progress(f"unpacking {archive.name}", done, len(members))
    elif archive.suffix in (".tgz", ".gz", ".tar"):
        with tarfile.open(archive) as tar:
            for done, member in enumerate(tar, 1):
                _check_member(archive, member.name, member.isfile() or member.isdir())
                tar.extract(member, folder, set_attrs=False, filter="data")
                progress(f"unpacking {archive.name}", done, 0)
    else:
        shutil.copy(archive, folder)


def _check_member(archive: Path, name: str, regular: bool) -> None:
    """Raise WorkbenchError if a member is not ``regular`` or its path leads out of the folder."""
    windows = PureWindowsPath(name)
    outside = windows.drive or windows.root or PurePosixPath(name).is_absolute() or ".." in windows.parts
    if outside or not regular:
        reason = "leads out of its folder" if outside else "is a link or a device"
        raise WorkbenchError(f"{archive.name} contains {name!r}, which {reason}; it is not unpacked")
