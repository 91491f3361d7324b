"""Small files that declare much: opening, decoding and their time and memory stay bounded."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from workbench.collections import decoding_worker, image_limits
from workbench.collections.folder import open_folder
from workbench.collections.image_limits import MEMORY, MOST_BYTES
from workbench.collections.images import load, read_header
from workbench.config.errors import WorkbenchError


def webp(side: int) -> bytes:
    """34 bytes of a lossless WebP whose header declares side × side pixels."""
    payload = b"\x2f" + struct.pack("<I", (side - 1) | (side - 1) << 14) + bytes([0x88, 0x88, 8]) + bytes(6)
    body = b"WEBPVP8L" + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(body)) + body


def png(side: int, bits: int = 16) -> bytes:
    """A black grey PNG of side × side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(1), bytes(1 + side * bits // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def many_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 40)).save(buffer, "JPEG", progressive=True, quality=50)
    content = buffer.getvalue()
    end, last_scan = content.rindex(b"\xff\xd9"), [m.start() for m in re.finditer(b"\xff\xda", content)][-1]
    tables = max(m.start() for m in re.finditer(b"\xff\xc4", content) if m.start() < last_scan)
    return content[:end] + content[tables:end] * scans + content[end:]


def jpeg2000(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG2000", no_jp2=True)
    content = bytearray(buffer.getvalue())
    struct.pack_into(">IIIIIIII", content, 8, side, side, 0, 0, side, side, 0, 0)
    return bytes(content)


def avif(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "AVIF")
    return buffer.getvalue().replace(b"ispe" + bytes(4) + struct.pack(">II", 64, 64),
                                     b"ispe" + bytes(4) + struct.pack(">II", side, side))  # fmt: skip


def test_opening_a_folder_of_bombs_takes_little_memory(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "good.png")
    for number in range(3):
        (tmp_path / f"flat{number}.webp").write_bytes(webp(13_000))
    (tmp_path / "deep.png").write_bytes(png(13_000))
    (tmp_path / "scans.jpg").write_bytes(many_scans(2_000, 200))
    (tmp_path / "wavelets.j2k").write_bytes(jpeg2000(13_000))
    code = (
        "import json, resource, sys, time; from pathlib import Path\n"
        "from workbench.collections.folder import open_folder\n"
        "before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()\n"
        f"collection = open_folder(Path({str(tmp_path)!r}))\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "print(json.dumps([collection.problems, grown, time.perf_counter() - start]))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    problems, kilobytes, seconds = json.loads(process.stdout)
    reasons = dict(problems)
    assert set(reasons) == {"flat0.webp", "flat1.webp", "flat2.webp", "wavelets.j2k"}
    assert all("GB of memory, more than the limit" in reason for reason in reasons.values())
    assert kilobytes < 200_000 and seconds < 10


@pytest.mark.parametrize("name, content", [("a.webp", webp(16_000)), ("a.j2k", jpeg2000(12_000))])
def test_what_takes_too_much_memory_is_refused_before_decoding(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for read in (read_header, load):
        start = time.perf_counter()
        with pytest.raises(WorkbenchError, match="limit"):
            read(path)
        assert time.perf_counter() - start < 1


def test_a_size_that_a_container_falsely_declares_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.avif").write_bytes(avif(13_000))
    with pytest.raises(WorkbenchError):
        load(tmp_path / "a.avif")


def test_a_small_webp_of_one_colour_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(webp(300))
    assert read_header(tmp_path / "a.webp").width == load(tmp_path / "a.webp").width == 300


def test_a_jpeg_of_many_scans_is_decoded_in_a_process_that_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(many_scans(4_000, 400))
    with Image.open(path) as image:
        assert image_limits.may_be_slow(path, "JPEG", image, image.size, b"")
    start = time.perf_counter()
    with pytest.raises(WorkbenchError, match="more than 1 seconds of the processor"):
        decoding_worker.decode_in_worker(path, None, (64, 64), seconds=1)
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"progressive": True, "quality": 95}])
def test_ordinary_jpegs_are_decoded_in_this_process(tmp_path: Path, options: dict) -> None:
    path = tmp_path / "a.jpg"
    Image.effect_noise((3000, 2000), 60).convert("RGB").save(path, **options)
    with Image.open(path) as image:
        assert not image_limits.may_be_slow(path, "JPEG", image, image.size, b"")
        assert image_limits.is_progressive(image) == bool(options)


def test_the_worker_returns_the_pixels_of_this_process(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((640, 480), 60).convert("RGB").save(path, exif=exif)
    image, full, note = decoding_worker.decode_in_worker(path, None, (60, 80))
    assert full == (480, 640) and note == ""
    assert image.tobytes() == load(path, None, (60, 80)).tobytes()
    (tmp_path / "b.jpg").write_bytes(path.read_bytes()[:3000])
    with pytest.raises(WorkbenchError, match="truncated"):
        decoding_worker.decode_in_worker(tmp_path / "b.jpg", None, None)


def test_threads_share_the_memory() -> None:
    held, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal held, most
        for _ in range(20):
            with MEMORY.reserve(MOST_BYTES // 3):
                with lock:
                    held += 1
                    most = max(most, held)
                with MEMORY.reserve(MOST_BYTES // 2):  # a thread never waits for itself
                    time.sleep(0.0005)
                with lock:
                    held -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held == 0 and 1 <= most <= 3


def test_a_large_image_is_handed_on_at_a_smaller_scale(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(8_000, 8))
    assert load(path, at_least=(500, 500)).size == (1000, 1000)
    assert load(path, (0, 0, 4000, 4000), at_least=(1000, 1000)).size == (2000, 2000)


def test_one_odd_image_does_not_fail_a_collection(tmp_path: Path) -> None:
    files = {
        "empty.jpg": b"",
        "zeros.png": bytes(1000),
        "cut.webp": webp(300)[:25],
        "tall.png": b"",
        "loop.gif": b"GIF89a" + bytes([1, 0, 1, 0, 0, 0, 0]) + b"\x21\xf9" * 50,
        "strips.tif": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 4, 1, 2**31) + bytes(4),
        "text.ppm": b"P3 100000 100000 255\n1 2 3",
        "dot.pgm": b"P5 1 1 65535\n\0\x09",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    Image.new("1", (1, 60_000)).save(tmp_path / "tall.png")
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "good.png")
    collection = open_folder(tmp_path)
    assert set(collection.images) == {"good.png", "tall.png", "dot.pgm"}
    assert dict(collection.problems).keys() == files.keys() - {"tall.png", "dot.pgm"}
    assert all("\n" not in reason and "Traceback" not in reason for _, reason in collection.problems)
