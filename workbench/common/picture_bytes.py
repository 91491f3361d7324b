"""Pictures as the bytes of a file, and these as an address that contains them."""

from __future__ import annotations

import base64
import io

from PIL import Image


def jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    """A picture without transparency as a JPEG."""
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return data.getvalue()


def png(picture: Image.Image) -> bytes:
    """A picture as a PNG."""
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def data_uri(content: bytes) -> str:
    """The contents of a JPEG or PNG file as an address, for the ``src`` of an image."""
    kind = "jpeg" if content.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
