"""Photographs on which networks are compared and adjusted; scikit-image contains them."""

from __future__ import annotations

import numpy as np
from PIL import Image

_PHOTOS = (("astronaut", (512, 512)), ("coffee", (512, 341)), ("chelsea", (290, 433)))  # width, height


def photographs(side: int | None) -> list[np.ndarray]:
    """Photographs of several shapes, uint8 [height, width, 3]; squares of ``side`` if that is given."""
    from skimage import data

    return [
        np.array(Image.fromarray(getattr(data, name)()).resize((side, side) if side else size))
        for name, size in _PHOTOS
    ]
