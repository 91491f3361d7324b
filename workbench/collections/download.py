"""Download benchmarks from their official addresses: resume, check, record checksums and unpack.

pooch is not used because it cannot resume: on a poor line, two gigabytes that start again at each
dropped connection are never complete. urllib transfers HTTP and FTP.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from workbench.collections.archives import damage_of, unpack
from workbench.common.files import replacing
from workbench.common.progress import Progress, silent
from workbench.common.text import parse_json
from workbench.config.errors import WorkbenchError


@dataclass(frozen=True)
class Source:
    """A file to fetch, its approximate size (shown to the user) and the subfolder for its content."""

    address: str
    about: int  # bytes
    into: str = "jpg"

    @property
    def file(self) -> str:
        return self.address.rsplit("/", 1)[1]


_VGG = "https://www.robots.ox.ac.uk/~vgg/data"
_CMP = "http://cmp.felk.cvut.cz/revisitop/data/datasets"  # the address in the authors' own downloader
_INRIA = "ftp://ftp.inrialpes.fr/pub/lear/douze/data"
_OXFORD = Source(f"{_VGG}/oxbuildings/oxbuild_images-v1.tgz", 1_940_000_000)
_PARIS = (
    Source(f"{_VGG}/parisbuildings/paris_1-v1.tgz", 1_270_000_000),
    Source(f"{_VGG}/parisbuildings/paris_2-v1.tgz", 1_270_000_000),
)
# The publishers state no checksum of these files that could be confirmed, so there is none here:
# the SHA-256 of the first complete download is recorded beside it, and later ones must agree with it.
SOURCES: dict[str, tuple[Source, ...]] = {
    "oxford5k": (_OXFORD, Source(f"{_VGG}/oxbuildings/gt_files_170407.tgz", 300_000, "gt")),
    "paris6k": (*_PARIS, Source(f"{_VGG}/parisbuildings/paris_120310.tgz", 300_000, "gt")),
    "roxford5k": (_OXFORD, Source(f"{_CMP}/roxford5k/gnd_roxford5k.pkl", 500_000, "")),
    "rparis6k": (*_PARIS, Source(f"{_CMP}/rparis6k/gnd_rparis6k.pkl", 1_000_000, "")),
    "holidays": (
        Source(f"{_INRIA}/jpg1.tar.gz", 1_142_000_000),
        Source(f"{_INRIA}/jpg2.tar.gz", 1_702_000_000),
    ),
    # The copy in common use; the authors' page is https://www.vis.uky.edu/~stewe/ukbench.
    "ukbench": (Source("https://archive.org/download/ukbench/ukbench.zip", 1_600_000_000),),
}
CHECKSUMS = "checksums.json"
_CHUNK = 1 << 18
_FAILURES = 5  # consecutive failures, each without a new byte
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG)


def fetch(
    name: str, cache: Path, progress: Progress = silent, base: str | None = None, pause: float = 1.0
) -> Path:
    """Download the benchmark ``name`` to ``cache/name``, if it is not there, and return that folder.

    The next call resumes an interrupted one. ``base`` replaces the address up to the file's
    name (for a mirror); ``pause`` is the wait before the second try, in seconds, doubled at each further one.
    Raises WorkbenchError if a server does not answer, a file stays damaged or the disk is full.
    """
    if name not in SOURCES:
        raise WorkbenchError(f"{name!r} is not a benchmark that can be fetched; valid: {', '.join(SOURCES)}")
    folder, store, staging = cache / name, cache / "downloads", cache / f".{name}.unpacking"
    try:
        store.mkdir(parents=True, exist_ok=True)
        with FileLock(store / "lock"):  # one process at a time: two benchmarks may share their images
            if folder.exists() and any(folder.iterdir()):
                return folder
            files = [_complete_file(source, store, progress, base, pause) for source in SOURCES[name]]
            try:
                shutil.rmtree(staging, ignore_errors=True)
                for source, file in zip(SOURCES[name], files, strict=True):
                    unpack(file, staging / source.into, progress)
                if folder.exists():
                    folder.rmdir()
                staging.rename(folder)  # the whole folder appears in one step
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            for file in files:
                file.unlink()
    except OSError as error:
        raise _disk_error(error, cache) from None
    return folder


def _complete_file(source: Source, store: Path, progress: Progress, base: str | None, pause: float) -> Path:
    """Download a file and check it; a damaged one is fetched a second time."""
    address = source.address if base is None else f"{base.rstrip('/')}/{source.file}"
    target = store / source.file
    damage: str | None = None
    for _ in range(2):
        if not target.exists():
            _download(address, target, progress, pause)
        progress(f"checking {target.name}", 0, 1)
        damage = damage_of(target) or _difference(target, store.parent / CHECKSUMS)
        if damage is None:
            progress(f"checking {target.name}", 1, 1)
            return target
        target.unlink()
    raise WorkbenchError(f"{address} was damaged in two downloads: {damage}; try again later")


def _download(address: str, target: Path, progress: Progress, pause: float) -> None:
    part = target.with_name(target.name + ".part")
    most, failures, problem = 0, 0, ""
    while failures < _FAILURES:
        try:
            if _transfer(address, part, progress):
                part.rename(target)
                return
            problem = "the connection dropped"
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                raise WorkbenchError(
                    f"{address} answers {error.code} {error.reason}; the publisher may have moved it"
                ) from None
            problem = f"it answers {error.code} {error.reason}"
        except (OSError, HTTPException, EOFError) as error:
            if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                raise
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        have = part.stat().st_size if part.exists() else 0
        failures = 0 if have > most else failures + 1
        most = max(most, have)
        _wait(pause * 2 ** max(failures - 1, 0), f"waiting to resume {target.name}", progress)
    raise WorkbenchError(
        f"{address} cannot be fetched: {problem}; check the connection and run the command again "
        "(the part that has arrived is kept)"
    )


def _transfer(address: str, part: Path, progress: Progress) -> bool:
    """Open one connection and append its data to ``part``; returns whether the file is complete."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "retrieval-workbench"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # no byte is left: the file is complete, or it is another file
            complete = error.headers.get("Content-Range", "") == f"bytes */{have}"
            if not complete:
                part.unlink()
            return complete
        raise
    with answer:
        resumed = have > 0 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
        have = have if resumed else 0  # a server may ignore the range and send the whole file
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        if total is not None and total - have > shutil.disk_usage(part.parent).free:
            raise OSError(errno.ENOSPC, f"{part.name} needs {total - have:,} bytes more")
        with part.open("ab" if resumed else "wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                progress(f"downloading {part.stem}", have, total or 0)
    return total is None or have == total


def _wait(seconds: float, task: str, progress: Progress) -> None:
    end = time.monotonic() + min(seconds, 30)
    while (left := end - time.monotonic()) > 0:
        progress(task, 0, 0)  # so that the wait can be cancelled
        time.sleep(min(left, 0.2))


def _difference(path: Path, record: Path) -> str | None:
    """Compare with the checksum of the first download, or record it; returns the difference in words."""
    try:
        recorded: dict[str, str] = parse_json(record.read_text()) if record.exists() else {}
    except ValueError:
        raise WorkbenchError(f"{str(record)!r} is damaged; delete it") from None
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if recorded.setdefault(path.name, checksum) != checksum:
        return f"its checksum is not the one in {str(record)!r} (delete its line there for a new version)"
    with replacing(record, unique=False) as part:
        part.write_text(json.dumps(recorded, indent=1, sort_keys=True))
    return None


def _disk_error(error: OSError, cache: Path) -> WorkbenchError:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorkbenchError(
            f"the disk of {str(cache)!r} is full ({reason}); free some space or choose another folder "
            "with --cache (the part that has arrived is kept)"
        )
    return WorkbenchError(f"{str(cache)!r} cannot be written: {reason}; choose another folder with --cache")
