"""Conversion of pictures with a colour profile (ICC.1) to sRGB, with the rendering of littleCMS.

Profiles that give sRGB within ``_SAME`` levels cost nothing. Profiles that are broken, or belong to another
kind of picture, are ignored, as browsers do.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

_SAME = 2  # levels of 255 by which sRGB profiles of different makers differ
_RELATIVE = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SPACES = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "CMYK": "CMYK"}


def changes(image: Image.Image) -> bool:
    """Whether ``to_srgb`` gives other pixels than those of the file, by its profile and mode."""
    return image.mode == "LAB" or _of(image, _colour_mode(image.mode)) is not None


def to_srgb(image: Image.Image) -> Image.Image:
    """An image of mode RGB, RGBA, L, LA, CMYK or LAB in sRGB; the image itself if its profile is no other.

    A grey or CMYK image with a profile becomes RGB, and one with transparency RGBA.
    """
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _lab(), inPlace=False) or image
    if image.mode == "LA":
        transform = _of(image, "L")
        if transform is None:
            return image
        grey, alpha = image.split()
        colour = ImageCms.applyTransform(grey, transform) or grey
        return Image.merge("RGBA", (*colour.split(), alpha))
    transform = _of(image, image.mode)
    return image if transform is None else ImageCms.applyTransform(image, transform) or image


def _colour_mode(mode: str) -> str:
    """The mode in which ``to_srgb`` gets an image of any mode (see ``image_modes.rgb``)."""
    if mode in ("L", "LA", "La") or mode.startswith("I") or mode == "F":
        return "L"
    return mode if mode in ("CMYK", "1") else "RGB"


def _of(image: Image.Image, mode: str) -> Any:
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile or mode not in _SPACES:
        return None
    return _transform(profile, mode)


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> Any:
    """The transform of a profile to sRGB; None if it is sRGB, or cannot be used for images of this mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        target = "RGBA" if mode == "RGBA" else "RGB"
        transform = ImageCms.buildTransform(source, _srgb(), mode, target, _RELATIVE, _FLAGS)
        if mode == "CMYK":
            return transform
        sample = _sample(mode)
        converted = ImageCms.applyTransform(sample, transform)
        assert converted is not None
        before, after = np.asarray(sample.convert(target), int), np.asarray(converted, int)
        return None if np.abs(before - after).max() <= _SAME else transform
    except Exception:  # whatever littleCMS makes of a damaged profile
        return None


def _sample(mode: str) -> Image.Image:
    """Colours over the whole range: 17 levels a channel, or all greys."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.linspace(0, 255, 17).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(17, -1, 3)
    return Image.fromarray(colours).convert(mode)


@lru_cache(maxsize=1)
def _srgb() -> Any:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=1)
def _lab() -> Any:
    source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.buildTransform(source, _srgb(), "LAB", "RGB", _RELATIVE)
