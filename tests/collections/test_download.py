"""Downloads from a real server on the loopback interface that simulates network and server faults."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from workbench.collections.catalog import catalog, open_collection
from workbench.collections.download import CHECKSUMS, SOURCES, fetch
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError


@dataclass
class Site:
    """The files of a server, its simulated faults and the requests it received."""

    files: dict[str, bytes] = field(default_factory=dict)
    drops: int = 0  # the number of responses that end early
    ranges: bool = True
    lengths: bool = True
    corrupt: int = 0  # the number of complete responses with one wrong byte
    status: list[int] = field(default_factory=list)  # error statuses of the first responses
    claim: int = 0  # a false Content-Length; 0 for the true one
    delay: float = 0  # seconds before each response
    requests: list[tuple[str, str]] = field(default_factory=list)  # file name and Range header
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, name = self.site, self.path.rsplit("/", 1)[1]
        byte_range = self.headers.get("Range", "")
        site.requests.append((name, byte_range))
        time.sleep(site.delay)
        if site.status:
            self.send_error(site.status.pop(0))
            return
        if name not in site.files:
            self.send_error(404)
            return
        content = bytearray(site.files[name])
        start = 0
        if site.ranges and (match := re.fullmatch(r"bytes=(\d+)-", byte_range)):
            start = int(match[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if site.corrupt and not site.drops:
            site.corrupt -= 1
            content[len(content) // 2] ^= 0xFF
        body = bytes(content[start:])
        if site.lengths:
            self.send_header("Content-Length", str(site.claim or len(body)))
        self.end_headers()
        if site.drops:
            site.drops -= 1
            body = body[: max(1, len(body) // 3)]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": state}))
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def photo(seed: int) -> bytes:
    buffer = io.BytesIO()
    noise = Image.effect_noise((160, 120), 30 + seed)
    noise.save(buffer, "JPEG")
    return buffer.getvalue()


def tgz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def oxford() -> dict[str, bytes]:
    return {
        "oxbuild_images-v1.tgz": tgz({f"all_souls_{n:06d}.jpg": photo(n) for n in range(6)}),
        "gt_files_170407.tgz": tgz(
            {
                "all_souls_1_query.txt": b"oxc1_all_souls_000001 1 2 100 90\n",
                "all_souls_1_good.txt": b"all_souls_000001\nall_souls_000002\n",
                "all_souls_1_ok.txt": b"all_souls_000003\n",
                "all_souls_1_junk.txt": b"all_souls_000004\n",
            }
        ),
    }


def check_oxford(cache: Path) -> None:
    collection = open_collection("oxford5k", cache=cache)
    assert len(collection.images) == 6 and len(collection.relevance["all_souls_1"]) == 4
    assert not list((cache / "downloads").glob("*.part")) and not list((cache / "downloads").glob("*.tgz"))
    assert (cache / "oxford5k" / "jpg" / "all_souls_000005.jpg").read_bytes() == photo_of(5)


def photo_of(number: int) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(FILES["oxbuild_images-v1.tgz"])) as tar:
        member = tar.extractfile(f"all_souls_{number:06d}.jpg")
        assert member is not None
        return member.read()


FILES = oxford()


def test_a_benchmark_is_downloaded_once_and_opens(tmp_path: Path, site: Site) -> None:
    site.files = FILES
    steps: list[tuple[str, int, int]] = []
    folder = fetch("oxford5k", tmp_path, lambda *arguments: steps.append(arguments), site.address)
    assert folder == tmp_path / "oxford5k"
    check_oxford(tmp_path)
    size = len(FILES["oxbuild_images-v1.tgz"])
    assert ("downloading oxbuild_images-v1.tgz", size, size) in steps
    assert {label.split()[0] for label, _, _ in steps} == {"downloading", "checking", "unpacking"}
    recorded = json.loads((tmp_path / CHECKSUMS).read_text())
    assert recorded == {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    request_count = len(site.requests)
    assert fetch("oxford5k", tmp_path, base=site.address) == folder
    assert len(site.requests) == request_count == 2
    assert [entry.name for entry in catalog(tmp_path) if entry.present] == ["oxford5k"]


def test_a_dropped_download_is_resumed_at_its_last_byte(tmp_path: Path, site: Site) -> None:
    site.files, site.drops = FILES, 7  # more than the limit of consecutive failures
    fetch("oxford5k", tmp_path, base=site.address, pause=0.001)
    check_oxford(tmp_path)
    starts = [
        int(byte_range[6:-1] or 0)
        for name, byte_range in site.requests
        if name.startswith("oxbuild") and byte_range
    ]
    assert len(starts) >= 6 and starts == sorted(set(starts)) and starts[0] > 0


def test_a_download_without_range_support_is_restarted(tmp_path: Path, site: Site) -> None:
    site.files, site.drops, site.ranges = FILES, 2, False
    fetch("oxford5k", tmp_path, base=site.address, pause=0.001)
    check_oxford(tmp_path)


def test_a_download_without_progress_is_abandoned(tmp_path: Path, site: Site) -> None:
    site.files, site.drops, site.ranges = FILES, 10**6, False
    with pytest.raises(WorkbenchError, match=r"cannot be fetched: the connection dropped.*is kept"):
        fetch("oxford5k", tmp_path, base=site.address, pause=0.001)
    assert len(site.requests) <= 10


def test_a_cancelled_download_is_resumed_by_the_next_call(tmp_path: Path, site: Site) -> None:
    site.files, site.drops = FILES, 1

    def stop(label: str, done: int, total: int) -> None:
        if label.startswith("waiting"):
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch("oxford5k", tmp_path, stop, site.address)
    received = (tmp_path / "downloads" / "oxbuild_images-v1.tgz.part").stat().st_size
    assert received > 0 and not (tmp_path / "oxford5k").exists()
    fetch("oxford5k", tmp_path, base=site.address)
    assert ("oxbuild_images-v1.tgz", f"bytes={received}-") in site.requests
    check_oxford(tmp_path)


@pytest.mark.parametrize("extra", [b"", b"of another file"])
def test_a_complete_part_is_kept_and_an_overlong_part_is_replaced(
    tmp_path: Path, site: Site, extra: bytes
) -> None:
    """The process was killed between the last byte and the renaming, or the remote file became shorter."""
    site.files = FILES
    (tmp_path / "downloads").mkdir()
    part = tmp_path / "downloads" / "oxbuild_images-v1.tgz.part"
    part.write_bytes(FILES["oxbuild_images-v1.tgz"] + extra)
    fetch("oxford5k", tmp_path, base=site.address, pause=0.001)
    check_oxford(tmp_path)
    assert len([name for name, _ in site.requests if name.startswith("oxbuild")]) == (2 if extra else 1)


def test_a_corrupt_file_is_downloaded_a_second_time(tmp_path: Path, site: Site) -> None:
    site.files, site.corrupt = FILES, 1
    fetch("oxford5k", tmp_path, base=site.address)
    check_oxford(tmp_path)
    assert [name for name, _ in site.requests].count("oxbuild_images-v1.tgz") == 2


@pytest.mark.parametrize("ending", ["corrupt", "page"])
def test_a_file_corrupt_in_two_downloads_is_an_error(tmp_path: Path, site: Site, ending: str) -> None:
    site.files, site.corrupt = dict(FILES), 2 if ending == "corrupt" else 0
    if ending == "page":
        site.files["oxbuild_images-v1.tgz"] = b"<html>We have moved</html>"
    with pytest.raises(WorkbenchError, match=r"oxbuild_images-v1.tgz was damaged in two downloads"):
        fetch("oxford5k", tmp_path, base=site.address)
    assert not list((tmp_path / "downloads").glob("oxbuild*")) and not (tmp_path / "oxford5k").exists()


def test_truncation_is_detected_without_a_content_length(tmp_path: Path, site: Site) -> None:
    site.files, site.drops, site.lengths = FILES, 1, False
    fetch("oxford5k", tmp_path, base=site.address)
    check_oxford(tmp_path)


def test_a_download_must_match_the_recorded_checksum(tmp_path: Path, site: Site) -> None:
    site.files = dict(FILES)
    (tmp_path / CHECKSUMS).write_text(json.dumps({"oxbuild_images-v1.tgz": "0" * 64}))
    with pytest.raises(WorkbenchError, match=r"damaged in two downloads: its checksum is not the one in"):
        fetch("oxford5k", tmp_path, base=site.address)
    (tmp_path / CHECKSUMS).write_text("{")
    with pytest.raises(WorkbenchError, match=r"checksums.json' is damaged; delete it"):
        fetch("oxford5k", tmp_path, base=site.address)


def test_temporary_http_errors_are_retried_and_permanent_ones_are_not(tmp_path: Path, site: Site) -> None:
    site.files, site.status = FILES, [503, 429, 500]
    fetch("oxford5k", tmp_path, base=site.address, pause=0.001)
    check_oxford(tmp_path)
    site.requests.clear()
    with pytest.raises(WorkbenchError, match=r"paris_1-v1.tgz answers 404"):
        fetch("paris6k", tmp_path, base=site.address, pause=0.001)
    assert len(site.requests) == 1


def test_a_refused_connection_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"cannot be fetched: .*refused.*check the connection"):
        fetch("oxford5k", tmp_path, base="http://127.0.0.1:9", pause=0.001)


def test_the_wait_before_a_retry_can_be_cancelled(tmp_path: Path, site: Site) -> None:
    site.files, site.drops = FILES, 100
    waits = []

    def stop(label: str, done: int, total: int) -> None:
        if label.startswith("waiting"):
            waits.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch("oxford5k", tmp_path, stop, site.address, pause=3600)
    assert len(waits) == 1


def test_a_full_disk_is_reported_before_and_during_a_download(tmp_path: Path, site: Site) -> None:
    site.files, site.claim = FILES, 10**18
    with pytest.raises(WorkbenchError, match=r"is full .*oxbuild.*--cache"):
        fetch("oxford5k", tmp_path, base=site.address)
    site.claim = 0
    part = tmp_path / "downloads" / "oxbuild_images-v1.tgz.part"
    part.unlink(missing_ok=True)
    part.symlink_to("/dev/full")  # a real device without free space
    with pytest.raises(WorkbenchError, match=r"is full \(No space left on device\)"):
        fetch("oxford5k", tmp_path, base=site.address)


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkbenchError, match=r"cannot be written: .*--cache"):
        fetch("oxford5k", tmp_path / "file", base="http://127.0.0.1:9")


def test_an_unknown_benchmark_is_refused_with_the_valid_names(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="valid: oxford5k, paris6k, roxford5k"):
        fetch("flickr30k", tmp_path)


def test_every_downloaded_benchmark_opens_under_its_name(tmp_path: Path, site: Site) -> None:
    def bundle(members: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    def revisited(database: list[str], query: str) -> bytes:
        relation = {"bbx": [1.0, 2.0, 90.0, 80.0], "easy": [0], "hard": [1], "junk": []}
        return pickle.dumps({"imlist": database, "qimlist": [query], "gnd": [relation]}, 4)

    paris = {f"paris/defense/paris_defense_{n:06d}.jpg": photo(n) for n in range(3)}
    truth = {
        "defense_1_query.txt": b"paris_defense_000000 0.000 0.000 100 90\n",
        "defense_1_good.txt": b"paris_defense_000001\n",
        "defense_1_ok.txt": b"paris_general_000009\n",
        "defense_1_junk.txt": b"",
    }
    site.files = {
        **FILES,
        "gnd_roxford5k.pkl": revisited(["all_souls_000000", "all_souls_000001"], "all_souls_000002"),
        "paris_1-v1.tgz": tgz(paris),
        "paris_2-v1.tgz": tgz({"paris/general/paris_general_000009.jpg": photo(9)}),
        "paris_120310.tgz": tgz(truth),
        "gnd_rparis6k.pkl": revisited(
            ["paris_defense_000001", "paris_general_000009"], "paris_defense_000000"
        ),
        "jpg1.tar.gz": tgz({"jpg/100000.jpg": photo(1), "jpg/100001.jpg": photo(2)}),
        "jpg2.tar.gz": tgz({"jpg/100100.jpg": photo(3), "jpg/100101.jpg": photo(4)}),
        "ukbench.zip": bundle({f"full/ukbench{n:05d}.jpg": photo(n) for n in range(4)}),
    }
    counts = {}
    for name in SOURCES:
        fetch(name, tmp_path, base=site.address)
        collection = open_collection(name, cache=tmp_path)
        assert collection.name == name and all(collection.relevance[q.id] for q in collection.queries)
        counts[name] = len(collection.images), len(collection.queries)
    assert counts == {
        "oxford5k": (6, 1),
        "paris6k": (4, 1),
        "roxford5k": (2, 1),
        "rparis6k": (2, 1),
        "holidays": (4, 2),
        "ukbench": (4, 4),
    }


def test_two_processes_download_a_benchmark_once(tmp_path: Path, site: Site) -> None:
    site.files, site.delay = FILES, 0.5  # long enough for both processes to overlap
    code = "import sys; from pathlib import Path; from workbench.collections.download import fetch; "
    code += "fetch('oxford5k', Path(sys.argv[1]), base=sys.argv[2])"
    root = Path(__file__).parents[2]
    runs = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path, site.address], cwd=root) for _ in range(2)
    ]
    assert [run.wait(60) for run in runs] == [0, 0]
    check_oxford(tmp_path)
    assert len(site.requests) == 2


def test_a_cancelled_unpacking_leaves_no_partial_collection(tmp_path: Path, site: Site) -> None:
    """A partly unpacked collection is never opened; leftover files of it are removed."""
    site.files = FILES

    def stop(label: str, done: int, total: int) -> None:
        if label.startswith("unpacking gt"):
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch("oxford5k", tmp_path, stop, site.address)
    assert sorted(p.name for p in tmp_path.iterdir()) == [CHECKSUMS, "downloads"]
    (tmp_path / ".oxford5k.unpacking" / "jpg").mkdir(parents=True)  # left by a killed process
    (tmp_path / ".oxford5k.unpacking" / "jpg" / "old.jpg").touch()
    (tmp_path / "oxford5k").mkdir()  # an empty folder made by the user
    fetch("oxford5k", tmp_path, base=site.address)
    check_oxford(tmp_path)
    assert len(site.requests) == 2  # the downloaded files were kept


def test_a_hostile_archive_is_refused_and_leaves_no_files(tmp_path: Path, site: Site) -> None:
    site.files = {**FILES, "oxbuild_images-v1.tgz": tgz({"../../evil.txt": b"x"})}
    with pytest.raises(WorkbenchError, match=r"contains '../../evil.txt', which leads out"):
        fetch("oxford5k", tmp_path, base=site.address)
    assert not (tmp_path / "oxford5k").exists() and not list(tmp_path.rglob("*evil*"))


def test_the_download_module_imports_no_heavy_packages() -> None:
    code = "import sys, workbench.collections.download; "
    code += "print(sorted({'torch', 'numpy', 'pandas', 'PIL'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "[]"
