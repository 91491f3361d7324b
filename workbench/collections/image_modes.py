"""Any mode and number format as RGB of 8 bits: transparency on white, deep values by the range they use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from workbench.collections.color_profiles import to_srgb
from workbench.collections.image_formats import first_tile

_BAND = 2**20  # pixels that are converted at a time, so that no large copy is made
_SAMPLED = 2**20  # values from which the range of floats is taken
_BITS = (8, 10, 12, 14, 16)
_DARK = 1 / 8  # largest value, as a share of a full scale, below which that scale is not plausible
_ROUNDED = 1.001  # 4,095 is 4,096 as a float of 16 bits
DEEP = frozenset("I F I;16 I;16B I;16L I;16N".split())


@dataclass(frozen=True)
class Scale:
    """The values that become black and white, and a note where the file does not declare them."""

    black: float
    white: float
    note: str = ""


@dataclass(frozen=True)
class Samples:
    """What a file says about its numbers: range, bits (0: as in the array), sign, and whether 0 is white."""

    declared: tuple[float, float] | None = None
    bits: int = 0
    unsigned: bool = False
    inverted: bool = False


def samples(image: Image.Image) -> Samples:
    """The declaration of an opened image that is not decoded yet (TIFF 6.0, sections 8, 18 and 19)."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        formats, bits = _first(tags.get(339, 1)), _first(tags.get(258, 1))
        bits = int(bits or 1)
        return Samples(declared_range(tags, bits), bits, formats == 1, tags.get(262) == 0)
    stated = image.format == "JPEG2000" or first_tile(image)[0] != "raw"
    if image.format in ("JPEG2000", "PPM") and image.mode != "F":
        # Pillow has scaled them by the stated depth.
        return Samples((0, 65535) if stated else None, 16, unsigned=True)
    return Samples()


def declared_range(tags: object, bits: float) -> tuple[float, float] | None:
    """The range that a TIFF's tags state, unless it is only the default of the number of bits."""
    get = tags.get  # type: ignore[attr-defined]  # a mapping of tag numbers, of Pillow or of tifffile
    for low, high in ((340, 341), (280, 281)):
        white = _first(get(high))
        if white is None:
            continue
        black = _first(get(low)) or 0.0
        if np.isfinite([black, white]).all() and white > black and white != 2.0**bits - 1:
            return float(black), float(white)
    return (0.0, 2.0**bits - 1) if bits in (9, 10, 11, 12, 13, 14, 15) else None


def _first(value: object) -> float | None:
    if isinstance(value, (tuple, list)):
        value = value[0] if value else None
    return float(value) if isinstance(value, (int, float)) or hasattr(value, "numerator") else None  # type: ignore[arg-type]


def scale_of(values: np.ndarray, declaration: Samples) -> Scale:
    """The scale of numbers of any type. A declared range holds if the values are in it."""
    if values.dtype.kind == "f":
        return _float_scale(values, declaration.declared)
    bits = declaration.bits or 8 * values.dtype.itemsize
    signed = values.dtype.kind == "i" and not declaration.unsigned
    return _integer_scale(values, declaration.declared, bits, signed)


def _integer_scale(
    values: np.ndarray, declared: tuple[float, float] | None, stored: int, signed: bool
) -> Scale:
    low, high = int(values.min()), int(values.max())
    if declared is not None and declared[0] <= low and high <= declared[1]:
        return Scale(*declared)
    kind = f"{stored}-bit integers"
    if low >= 0:
        for bits in _BITS:
            full = 2 ** min(bits, stored - signed) - 1
            if high <= full and (high >= full * _DARK or high == 0):
                usual = bits == stored or high == 0
                note = f"{kind} up to {high}, taken as {bits} bits: black is 0 and white is {full}"
                return Scale(0, full, "" if usual else note)
        return Scale(0, high, f"{kind} without a declared range: black is 0 and white is {high}")
    return Scale(low, high, f"{kind} without a declared range: black is {low} and white is {high}")


def _float_scale(values: np.ndarray, declared: tuple[float, float] | None) -> Scale:
    step = max(1, int(np.sqrt(values.size / _SAMPLED)))
    seen = values[::step, ::step]
    finite = seen[np.isfinite(seen)].astype(np.float32 if values.dtype.itemsize <= 4 else np.float64)
    if finite.size == 0:
        return Scale(0, 1, "no value is a finite number: the image is black")
    low, high = (float(value) for value in np.quantile(finite, [0.01, 0.99]))
    lowest, highest = float(finite.min()), float(finite.max())
    if not high > low:  # a small object on a ground of one value
        low, high = lowest, highest
    lost = (
        ""
        if finite.size == seen.size
        else f", {1 - finite.size / seen.size:.1%} of the values are not finite"
    )
    if declared is not None and declared[0] <= low and high <= declared[1]:
        return Scale(*declared, lost and f"floats from {declared[0]:g} to {declared[1]:g}{lost}")
    if low >= 0:
        for full in (1.0, *(2.0**bits - 1 for bits in _BITS)):
            dim = full > 255 and high > low > high / 2  # such as temperatures in kelvin
            if (full * _DARK <= high <= full * _ROUNDED and not dim) or highest == 0:
                odd = full != 1 or lost or lowest < 0 or highest > 1
                note = f"floats without a declared range: black is 0 and white is {full:g}{lost}"
                return Scale(0, full, note if odd else "")
    note = f"floats without a declared range: black is {low:.4g} and white is {high:.4g}{lost}"
    return Scale(low, high, note)


def to_bytes(values: np.ndarray, scale: Scale, inverted: bool = False) -> np.ndarray:
    """Numbers [H, W] or [H, W, 3] as uint8; what is not a number becomes black."""
    levels = np.empty(values.shape, np.uint8)
    spread = scale.white - scale.black
    precise = values.dtype.itemsize > 4 or abs(scale.black) > 2**20
    factor = 255 / spread if spread > 0 else 0.0
    for rows in _bands(values.shape[1], values.shape[0]):
        with np.errstate(all="ignore"):
            band: np.ndarray = values[rows].astype(np.float64 if precise else np.float32)
            band = np.multiply(np.subtract(band, scale.black, out=band), factor, out=band)
            np.nan_to_num(band, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
            np.clip(band, 0, 255, out=band)
        levels[rows] = np.rint(band, out=band)
    return np.subtract(255, levels, out=levels) if inverted else levels


def numbers(image: Image.Image, declaration: Samples) -> np.ndarray:
    """The values of an image of a ``DEEP`` mode, [H, W]."""
    values = np.asarray(image)
    return values.view(np.uint32) if values.dtype == np.int32 and declaration.unsigned else values


def rgb(image: Image.Image, declaration: Samples | None = None, scale: Scale | None = None) -> Image.Image:
    """An image of any mode as RGB of 8 bits in sRGB; transparency is composited on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return to_srgb(image)
    if image.mode in DEEP:
        declaration = declaration or samples(image)
        values = numbers(image, declaration)
        levels = to_bytes(values, scale or scale_of(values, declaration), declaration.inverted)
        if isinstance(transparent := image.info.get("transparency"), int):
            levels[values == transparent] = 255
        grey = Image.fromarray(levels)
        grey.info["icc_profile"] = image.info.get("icc_profile")
        return _as_rgb(to_srgb(grey))
    if image.mode == "LA":
        image = to_srgb(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _on_white(image)
    if image.mode not in ("L", "CMYK", "LAB"):
        return to_srgb(image.convert("RGB"))
    return _as_rgb(to_srgb(image))


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    grey = image.mode in ("L", "LA", "La")  # in sRGB already, or without a profile for colours
    result = Image.new("RGB", image.size)
    for rows in _bands(*image.size):
        layer = image.crop((0, rows.start, image.width, rows.stop)).convert("RGBA")
        layer = layer if grey else to_srgb(layer)
        white = Image.new("RGBA", layer.size, "white")
        result.paste(Image.alpha_composite(white, layer).convert("RGB"), (0, rows.start))
    return result


def _bands(width: int, height: int) -> Iterator[slice]:
    step = max(1, _BAND // max(1, width))
    return (slice(start, min(start + step, height)) for start in range(0, height, step))
