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


class _Bits:
    """The bits of bytes, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        return value


def _jxl(head: bytes) -> tuple[int, int] | None:
    bits = _jxl_bits(head)
    return None if bits is None else _jxl_size(bits)


def jxl_orientation(head: bytes) -> int:
    """The orientation 1 to 8 in the codestream, which the decoder applies (ISO/IEC 18181-1)."""
    bits = _jxl_bits(head)
    if bits is None:
        return 1
    _jxl_size(bits)
    all_default = bits.take(1)
    has_more = not all_default and bits.take(1)
    return 1 + bits.take(3) if has_more else 1


def _jxl_bits(head: bytes) -> _Bits | None:
    """The codestream after its mark; it may be in a box of a container."""
    if not head.startswith(b"\xff\x0a"):
        starts = [at + skip for name, skip in ((b"jxlc", 4), (b"jxlp", 8)) if (at := head.find(name)) >= 0]
        head = head[min(starts) :] if starts else b""
    return _Bits(head[2:32]) if head.startswith(b"\xff\x0a") else None


def _jxl_size(bits: _Bits) -> tuple[int, int]:
    """ISO/IEC 18181-1, the size header."""
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else 1 + bits.take((9, 13, 18, 30)[bits.take(2)])

    height = side()
    ratio = bits.take(3)
    if ratio == 0:
        return side(), height
    return height * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1], height
