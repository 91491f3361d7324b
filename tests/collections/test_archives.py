"""Archives with members outside their folder, and files that are not archives."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.collections.archives import unpack
from workbench.config.errors import WorkbenchError


def tar_with(info: tarfile.TarInfo, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        good = tarfile.TarInfo("good.txt")
        tar.addfile(good, io.BytesIO())
        info.size = len(content) if info.isreg() else 0
        tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_with(name: str, mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = name
        info.external_attr = mode << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


EVIL: dict[str, Callable[[str], bytes]] = {
    "up.tgz": lambda out: tar_with(member("../evil.txt")),
    "deep.tgz": lambda out: tar_with(member("a/b/../../../evil.txt")),
    "absolute.tgz": lambda out: tar_with(member(f"{out}/evil.txt")),
    "windows.tgz": lambda out: tar_with(member("C:\\evil.txt")),
    "backslash.tgz": lambda out: tar_with(member("..\\evil.txt")),
    "link.tgz": lambda out: tar_with(member("evil.txt", tarfile.SYMTYPE, "/etc/passwd")),
    "inner.tgz": lambda out: tar_with(member("evil.txt", tarfile.SYMTYPE, "good.txt")),
    "hard.tgz": lambda out: tar_with(member("evil.txt", tarfile.LNKTYPE, "good.txt")),
    "pipe.tgz": lambda out: tar_with(member("evil.txt", tarfile.FIFOTYPE)),
    "device.tgz": lambda out: tar_with(member("evil.txt", tarfile.CHRTYPE)),
    "up.zip": lambda out: zip_with("../evil.txt"),
    "absolute.zip": lambda out: zip_with(f"{out}/evil.txt"),
    "windows.zip": lambda out: zip_with("C:evil.txt"),
    "link.zip": lambda out: zip_with("evil.txt", 0o120777),
}


@pytest.mark.parametrize("name", EVIL)
def test_a_member_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / name
    archive.write_bytes(EVIL[name](str(tmp_path)))
    folder = tmp_path / "in" / "here"
    with pytest.raises(WorkbenchError, match=r"leads out of its folder|is a link or a device"):
        unpack(archive, folder)
    assert {p.name for p in tmp_path.rglob("*")} <= {name, "in", "here", "good.txt"}


def test_a_file_that_is_not_an_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(gzip.compress(b"no tar at all" * 100))
    (tmp_path / "a.zip").write_bytes(b"no zip")
    for name in ("a.tgz", "a.zip"):
        with pytest.raises(WorkbenchError, match="cannot be unpacked"):
            unpack(tmp_path / name, tmp_path / "out")
