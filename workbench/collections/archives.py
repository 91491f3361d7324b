"""Downloaded archives: whether they are whole, and unpacking them so that no path leaves the folder."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from workbench.config import WorkbenchError
from workbench.progress import Progress, silent

_CHUNK = 1 << 18


def damage_of(path: Path) -> str | None:
    """Why a downloaded file is not whole, by its own checksums and structure; None where it is."""
    try:
        if path.suffix == ".pkl":
            from workbench.collections.revisited import read_ground_truth

            read_ground_truth(path)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
                return f"{bad} in it is damaged" if bad else None
        else:
            with gzip.open(path) as file:  # to the end, where the CRC stands
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
    """Unpack a tar or zip into ``folder``; any other file is copied there.

    Raises WorkbenchError where a member is no plain file or folder, or would leave ``folder``.
    """
    try:
        _unpack(archive, folder, progress)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise WorkbenchError(
            f"{archive.name} cannot be unpacked: {error}; delete it and fetch it anew"
        ) from None


def _unpack(archive: Path, folder: Path, progress: Progress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as bundle:
            members = bundle.infolist()
            for done, entry in enumerate(members, 1):
                kind = entry.external_attr >> 28  # the file type of Unix: 0 none, 4 folder, 8 file
                _refuse(archive, entry.filename, kind in (0, 4, 8))
                bundle.extract(entry, folder)
                progress(f"unpacking {archive.name}", done, len(members))
    elif archive.suffix in (".tgz", ".gz", ".tar"):
        with tarfile.open(archive) as tar:
            for done, member in enumerate(tar, 1):
                _refuse(archive, member.name, member.isfile() or member.isdir())
                tar.extract(member, folder, set_attrs=False, filter="data")
                progress(f"unpacking {archive.name}", done, 0)
    else:
        shutil.copy(archive, folder)


def _refuse(archive: Path, name: str, plain: bool) -> None:
    windows = PureWindowsPath(name)
    outside = windows.drive or windows.root or PurePosixPath(name).is_absolute() or ".." in windows.parts
    if outside or not plain:
        what = "leads out of its folder" if outside else "is a link or a device"
        raise WorkbenchError(f"{archive.name} holds {name!r}, which {what}; it is not unpacked")
