"""Files as a damaged disk, an interrupted copy or an attacker leave them, drawn from a seed."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, features

Generator = np.random.Generator


def _flip(content: bytearray, rng: Generator) -> bytearray:
    for at in rng.integers(0, len(content), rng.integers(1, 9)):
        content[at] ^= 1 << int(rng.integers(8))
    return content


def _zero(content: bytearray, rng: Generator) -> bytearray:
    start, length = int(rng.integers(len(content))), int(rng.integers(1, 600))
    return content[:start] + bytes(len(content[start : start + length])) + content[start + length :]


def _cut(content: bytearray, rng: Generator) -> bytearray:
    return content[: int(rng.integers(len(content)))]


def _noise(content: bytearray, rng: Generator) -> bytearray:
    start = int(rng.integers(len(content)))
    return content[:start] + rng.bytes(int(rng.integers(1, 300))) + content[start:]


def _repeat(content: bytearray, rng: Generator) -> bytearray:
    start, length = int(rng.integers(len(content))), int(rng.integers(1, 2000))
    return content[: start + length] + content[start:]


def _head(content: bytearray, rng: Generator) -> bytearray:
    """Other values in the first bytes, where sizes and counts stand."""
    for at in rng.integers(0, min(len(content), 64), 4):
        content[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
    return content


MUTATIONS: tuple[Callable[[bytearray, Generator], bytearray], ...] = (
    _flip,
    _zero,
    _cut,
    _noise,
    _repeat,
    _head,
)


def mutated(content: bytes, rng: Generator) -> bytes:
    """The content after one to three random mutations."""
    result = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        if result:
            result = MUTATIONS[int(rng.integers(len(MUTATIONS)))](result, rng)
    return bytes(result)


def images() -> list[bytes]:
    """A small photograph-like picture in every format and mode that is read."""
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((12, 12, 1))).astype(np.uint8)
    rgb = Image.fromarray(pixels)
    sixteen = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    wanted: list[tuple[Image.Image, str, dict[str, object]]] = [
        (rgb, "JPEG", {"exif": exif}),
        (rgb, "JPEG", {"progressive": True}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb, "PNG", {}),
        (rgb.convert("P"), "PNG", {}),
        (rgb.convert("RGBA"), "PNG", {"exif": exif}),
        (sixteen, "PNG", {}),
        (rgb.convert("P"), "GIF", {"save_all": True, "append_images": [rgb.rotate(90).convert("P")]}),
        (rgb, "BMP", {}),
        (rgb, "PPM", {}),
        (rgb, "TIFF", {}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (rgb, "TIFF", {"compression": "tiff_deflate", "exif": exif}),
        (Image.fromarray(pixels[..., 0].astype(np.float32) / 255), "TIFF", {}),
        (sixteen, "TIFF", {}),
    ]
    optional = (("webp", "WEBP"), ("jpg_2000", "JPEG2000"), ("avif", "AVIF"))
    wanted += [(rgb, name, {}) for feature, name in optional if features.check(feature)]
    contents = []
    for picture, name, options in wanted:
        data = io.BytesIO()
        picture.save(data, name, **options)
        contents.append(data.getvalue())
    return contents


_CELLS = (
    "kind0/000.jpg",
    "../000.jpg",
    "/etc/passwd",
    "",
    "\0",
    "nan",
    "-1",
    "1e999",
    "é́" * 40,
    '"',
    '"x\ny"',
    "=1+1",
    "\x1b[2J",
    "~nobody/x.jpg",
    "a" * 5000,
    "query",
    "both",
    "\ud7ff",
    "12,5",
)
_HEADERS = (
    "path,label",
    "path,label,split",
    "path,label,split,x0,y0,x1,y1",
    "label,path",
    "path",
    "path,path,label",
    "",
    "path;label",
    "\ufeffpath,label",
    "PATH,Label",
)


def table(rng: Generator) -> bytes:
    """A table of labels with hostile names, numbers, quotes and encodings; every fourth is mutated."""
    lines = [str(rng.choice(_HEADERS))]
    for row in range(int(rng.integers(0, 12))):
        cells = [f"kind{row % 2}/{row:03}.jpg", f"kind{row % 2}", "both", "0", "0", "30", "30"]
        for at in range(len(cells)):
            if rng.random() < 0.15:
                cells[at] = str(rng.choice(_CELLS))
        lines.append(",".join(cells[: int(rng.integers(1, len(cells) + 1))]))
    text = str(rng.choice(["\n", "\r\n", "\r"])).join(lines)
    content = text.encode(str(rng.choice(["utf-8", "utf-16", "utf-8-sig"])), "replace")
    return mutated(content, rng) if content and rng.random() < 0.25 else content
