"""Benchmarks from their official places: resumed, checked, recorded and unpacked.

pooch is not used here: it cannot resume, and starting two gigabytes anew at each dropped
connection never ends on a poor line. urllib does the transfer, and FTP as well.
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
from workbench.config import WorkbenchError
from workbench.progress import Progress, silent


@dataclass(frozen=True)
class Source:
    """A file to fetch, about how large it is (to tell people), and the folder its content goes to."""

    address: str
    about: int  # bytes
    into: str = "jpg"

    @property
    def file(self) -> str:
        return self.address.rsplit("/", 1)[1]


_VGG = "https://www.robots.ox.ac.uk/~vgg/data"
_CMP = "http://cmp.felk.cvut.cz/revisitop/data/datasets"  # where the authors' own downloader looks
_INRIA = "ftp://ftp.inrialpes.fr/pub/lear/douze/data"
_OXFORD = Source(f"{_VGG}/oxbuildings/oxbuild_images-v1.tgz", 1_940_000_000)
_PARIS = (
    Source(f"{_VGG}/parisbuildings/paris_1-v1.tgz", 1_270_000_000),
    Source(f"{_VGG}/parisbuildings/paris_2-v1.tgz", 1_270_000_000),
)
# No page of their publishers states a checksum of these files that could be confirmed, so none is
# written here: the SHA-256 of a first whole download is recorded beside it and holds from then on.
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
_FAILURES = 5  # in a row, each without a new byte
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG)


def fetch(
    name: str, cache: Path, progress: Progress = silent, base: str | None = None, pause: float = 1.0
) -> Path:
    """Download the benchmark ``name`` to ``cache/name`` and return that folder; nothing if it is there.

    An interrupted call is taken up by the next one. ``base`` replaces the address up to the file's
    name (for a mirror); ``pause`` is the first wait between tries, in seconds, doubled at each.
    Raises WorkbenchError where a place does not answer, a file stays damaged or the disk is full.
    """
    if name not in SOURCES:
        raise WorkbenchError(f"{name!r} is not a benchmark that can be fetched; valid: {', '.join(SOURCES)}")
    folder, store, staging = cache / name, cache / "downloads", cache / f".{name}.unpacking"
    try:
        store.mkdir(parents=True, exist_ok=True)
        with FileLock(store / "lock"):  # one at a time: two benchmarks may share their images
            if folder.exists() and any(folder.iterdir()):
                return folder
            files = [_whole_file(source, store, progress, base, pause) for source in SOURCES[name]]
            try:
                shutil.rmtree(staging, ignore_errors=True)
                for source, file in zip(SOURCES[name], files, strict=True):
                    unpack(file, staging / source.into, progress)
                if folder.exists():
                    folder.rmdir()
                staging.rename(folder)  # all of it appears at once
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            for file in files:
                file.unlink()
    except OSError as error:
        raise _on_disk(error, cache) from None
    return folder


def _whole_file(source: Source, store: Path, progress: Progress, base: str | None, pause: float) -> Path:
    """Download a file and check it; a damaged one is fetched anew, once."""
    address = source.address if base is None else f"{base.rstrip('/')}/{source.file}"
    target = store / source.file
    damage: str | None = None
    for _ in range(2):
        if not target.exists():
            _download(address, target, progress, pause)
        progress(f"checking {target.name}", 0, 1)
        damage = damage_of(target) or _differs(target, store.parent / CHECKSUMS)
        if damage is None:
            progress(f"checking {target.name}", 1, 1)
            return target
        target.unlink()
    raise WorkbenchError(f"{address} came damaged twice: {damage}; try again later")


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
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        have = part.stat().st_size if part.exists() else 0
        failures = 0 if have > most else failures + 1
        most = max(most, have)
        _wait(pause * 2 ** max(failures - 1, 0), f"waiting to go on with {target.name}", progress)
    raise WorkbenchError(
        f"{address} cannot be fetched: {problem}; check the connection and run the command again "
        "(what has arrived is kept)"
    )


def _transfer(address: str, part: Path, progress: Progress) -> bool:
    """One connection: append to ``part`` what it brings, and say whether the file is whole now."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "retrieval-workbench"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing after what is here: whole already, or not this file
            whole = error.headers.get("Content-Range", "") == f"bytes */{have}"
            if not whole:
                part.unlink()
            return whole
        raise
    with answer:
        resumed = have > 0 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
        have = have if resumed else 0  # a server may ignore the range and send all
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


def _wait(seconds: float, what: str, progress: Progress) -> None:
    end = time.monotonic() + min(seconds, 30)
    while (left := end - time.monotonic()) > 0:
        progress(what, 0, 0)  # so that the wait can be cancelled
        time.sleep(min(left, 0.2))


def _differs(path: Path, record: Path) -> str | None:
    """Compare with the checksum recorded at the first download, or record it now."""
    try:
        known: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    except ValueError:
        raise WorkbenchError(f"{str(record)!r} is damaged; delete it") from None
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if known.setdefault(path.name, checksum) != checksum:
        return f"it is not the file recorded in {str(record)!r} (delete its line there if a new one is meant)"
    new = record.with_name(f"{record.name}.new")
    new.write_text(json.dumps(known, indent=1, sort_keys=True))
    new.replace(record)
    return None


def _on_disk(error: OSError, cache: Path) -> WorkbenchError:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorkbenchError(
            f"the disk of {str(cache)!r} is full ({reason}); free some space or choose another place "
            "with --cache (what has arrived is kept)"
        )
    return WorkbenchError(f"{str(cache)!r} cannot be written: {reason}; choose another place with --cache")
