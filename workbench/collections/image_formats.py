"""Image formats: recognised by content, opened by their plugin, or named with the package that reads them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from workbench.common.packages import installed
from workbench.config.errors import WorkbenchError

_PILLOW = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .bmp .dib .gif .tif .tiff .webp .ppm .pgm .pbm .pnm .pfm "
    ".jp2 .j2k .j2c .jpx .jpf .avif .avifs".split()
)
_PLUGINS = {"HEIF": ("pillow_heif", "pillow-heif"), "JXL": ("pillow_jxl", "pillow-jxl-plugin")}
_PLUGIN_SUFFIXES = {".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF", ".heics": "HEIF", ".jxl": "JXL"}
_TITLES = {"HEIF": "a HEIC image", "JXL": "a JPEG XL image"}
_RAW = (
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .gpr .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf .pef "
    ".raf .raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)
_RAW_REASON = "a raw photograph of a camera, which rawpy reads; convert it to JPEG or TIFF"
# Pictures that are not read, and why. Suffixes that mostly belong to other files are not listed.
_OTHERS: Mapping[str, str] = {
    **dict.fromkeys(_RAW, _RAW_REASON),
    ".psd": "a Photoshop document, which psd-tools reads; export it as PNG or TIFF",
    ".psb": "a Photoshop document, which psd-tools reads; export it as PNG or TIFF",
    ".xcf": "a GIMP document; export it as PNG",
    ".exr": "an OpenEXR image, which the package OpenEXR reads; convert it to TIFF or PNG",
    ".hdr": "a Radiance HDR image, which imageio reads; convert it to TIFF or PNG",
    ".jxr": "a JPEG XR image, which imagecodecs reads; convert it to JPEG or PNG",
    ".wdp": "a JPEG XR image, which imagecodecs reads; convert it to JPEG or PNG",
    ".svg": "a vector drawing, which cairosvg renders; export it as PNG",
    ".eps": "a PostScript drawing, which is not run for safety; export it as PNG",
    ".dcm": "a DICOM image, which pydicom reads; convert it to PNG or TIFF",
    ".fits": "a FITS image, which astropy reads; convert it to PNG or TIFF",
    ".tga": "a Targa image; convert it to PNG",
    ".dds": "a DirectDraw texture; convert it to PNG",
    ".ico": "an icon file; convert it to PNG",
}
_LFS = (
    "a Git LFS pointer, and the image itself was not downloaded; run git lfs pull in the folder's repository"
)
_CONTENT: tuple[tuple[int, bytes, str], ...] = (  # (offset, bytes there, reason)
    (0, b"version https://git-lfs", _LFS),
    (0, b"/annex/objects/", "a git-annex pointer, and the image itself is not here; run git annex get"),
    (0, b"8BPS", _OTHERS[".psd"]),
    (0, b"gimp xcf", _OTHERS[".xcf"]),
    (0, b"FUJIFILMCCD-RAW", _RAW_REASON),
    (0, b"IIRO", _RAW_REASON),
    (0, b"IIRS", _RAW_REASON),
    (0, b"MMOR", _RAW_REASON),
    (0, b"IIU\0", _RAW_REASON),
    (0, b"FOVb", _RAW_REASON),
    (0, b"\0MRM", _RAW_REASON),
    (4, b"ftypcrx ", _RAW_REASON),
    (8, b"CR\x02\0", _RAW_REASON),
    (0, b"II\xbc", _OTHERS[".jxr"]),
    (0, b"\x76\x2f\x31\x01", _OTHERS[".exr"]),
    (0, b"#?RADIANCE", _OTHERS[".hdr"]),
    (0, b"%!PS", _OTHERS[".eps"]),
    (0, b"%PDF", "a PDF document; export its pictures as PNG"),
    (0, b"<svg", _OTHERS[".svg"]),
    (0, b"<!DOCTYPE html", "a web page that was saved under the name of an image; download the image again"),
    (0, b"<!doctype html", "a web page that was saved under the name of an image; download the image again"),
    (0, b"<html", "a web page that was saved under the name of an image; download the image again"),
    (0, b"DICM", _OTHERS[".dcm"]),
    (128, b"DICM", _OTHERS[".dcm"]),
    (0, b"SIMPLE  =", _OTHERS[".fits"]),
)
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    (b"\xff\x0a", "JXL"),
)
_HEIF_BRANDS = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 mif2 msf1".split())
HEAD = 4096  # bytes of a file that are enough to recognise it


def extensions() -> frozenset[str]:
    """The suffixes of image files that can be read here; it depends on the installed plugins."""
    return _PILLOW | {suffix for suffix, kind in _PLUGIN_SUFFIXES.items() if installed(_PLUGINS[kind][0])}


def why_not_read(suffix: str) -> str | None:
    """Why image files with this lower-case suffix are not read; None if they are, or are not images."""
    kind = _PLUGIN_SUFFIXES.get(suffix)
    if kind and not installed(_PLUGINS[kind][0]):
        return _missing_plugin(kind)
    return _OTHERS.get(suffix)


def recognise(head: bytes, suffix: str = "") -> str:
    """The format of a file, by its first ``HEAD`` bytes. Raises WorkbenchError with what it is instead."""
    for offset, mark, reason in _CONTENT:
        if head[offset : offset + len(mark)] == mark:
            raise WorkbenchError(reason)
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, _box_end(head), 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return _with_plugin("HEIF")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:1] == b"P" and head[1:2] in b"123456f" and head[2:3].isspace():
        return "PPM"
    for mark, kind in _KINDS:
        if head.startswith(mark):
            return _with_plugin(kind) if kind in _PLUGINS else kind
    if not head.strip(b"\0"):
        raise WorkbenchError("the file holds only zero bytes; copy it again")
    raise WorkbenchError(_OTHERS.get(suffix.lower()) or "the content is not an image")


def open_image(path: Path, kind: str) -> Image.Image:
    """Open a file by the plugin of its format, which reads its header (those of WebP and JPEG XL read more).

    Only the plugin of the recognised format runs, so that a file's name or content never starts another
    program, such as Ghostscript for PostScript.
    """
    if kind not in Image.OPEN:
        Image.init()
        if kind not in Image.OPEN:
            raise WorkbenchError(f"this version of Pillow does not read {kind}; update Pillow")
    image = Image.open(path, formats=[kind])
    if kind == "TIFF" and 50706 in getattr(image, "tag_v2", {}):  # DNGVersion; its first picture is a preview
        image.close()
        raise WorkbenchError(_RAW_REASON)
    return image


def first_tile(image: Image.Image) -> tuple[str, int, tuple]:
    """(decoder, offset in the file, arguments) of an opened image's first part; ("", 0, ()) if unknown."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return "", 0, ()
    decoder, _, offset, arguments = tiles[0]
    return decoder, offset, arguments if isinstance(arguments, tuple) else (arguments,)


def _box_end(head: bytes) -> int:
    return min(int.from_bytes(head[:4], "big"), 256, len(head))


def _with_plugin(kind: str) -> str:
    if not _plugin(kind):
        raise WorkbenchError(_missing_plugin(kind))
    return kind


def _missing_plugin(kind: str) -> str:
    package = _PLUGINS[kind][1]
    install = f"install {package} to read it (pip install {package})"
    return f"{_TITLES[kind]}; {install}, or convert it to JPEG or PNG"


def _plugin(kind: str) -> bool:
    """Import and register the plugin of a format, if it is installed."""
    if kind in Image.OPEN:
        return True
    try:
        module = importlib.import_module(_PLUGINS[kind][0])
    except Exception:  # missing, or built for another Pillow
        return False
    if kind == "HEIF":
        module.register_heif_opener()
    return kind in Image.OPEN
