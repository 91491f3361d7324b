"""A picture with its name, for results that show pictures: decoded when it is drawn, not before."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from workbench.collections import images
from workbench.common.geometry import Box
from workbench.config.errors import WorkbenchError


@dataclass(frozen=True)
class NamedPicture:
    """The name of a picture, and its file with a crop in pixels, or the decoded image (cropped already)."""

    name: str
    source: Path | Image.Image = field(repr=False)
    box: Box | None = None

    def load(self, side: int) -> Image.Image:
        """The picture as RGB, its longest side at most ``side`` pixels.

        Raises WorkbenchError with the name and the reason if the file cannot be read (any more).
        """
        if isinstance(self.source, Image.Image):
            picture = self.source.copy()
        else:
            try:
                picture = images.load(self.source, self.box)
            except WorkbenchError as error:
                raise WorkbenchError(f"image {self.name!r}: {error}") from None
        picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        return picture
