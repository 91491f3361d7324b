"""The declared size of WebP and JPEG XL files, whose plugins allocate or decode when they open a file."""

from __future__ import annotations

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def declared_size(kind: str, head: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels by the first bytes of a file; None for other formats and damaged files."""
    if kind == "WEBP":
        return _webp(head)
    return _jxl(head) if kind == "JXL" else None


def _webp(head: bytes) -> tuple[int, int] | None:
    """RFC 9649, sections 2.5 to 2.7, and RFC 6386, section 9.1."""
    if len(head) < 30:
        return None
    chunk = head[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if chunk == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return width, height
    return None


def _jxl(head: bytes) -> tuple[int, int] | None:
    """ISO/IEC 18181-1, the size header of the codestream, which may be in a box of a container."""
    if not head.startswith(b"\xff\x0a"):
        found = [at + skip for name, skip in ((b"jxlc", 4), (b"jxlp", 8)) if (at := head.find(name)) >= 0]
        if not found:
            return None
        head = head[min(found) :]
        if not head.startswith(b"\xff\x0a"):
            return None
    bits, at = int.from_bytes(head[2:16], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        value = bits >> at & ((1 << count) - 1)
        at += count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (1 + take(5)) if small else 1 + take((9, 13, 18, 30)[take(2)])

    height = side()
    ratio = take(3)
    return (side() if ratio == 0 else height * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1], height)
