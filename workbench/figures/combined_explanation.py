"""The score of a query of parts: the image under the heat of each part, above the sum of what they add."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.common.rounding import signed
from workbench.figures.contributions import waterfall
from workbench.figures.pictures_over_sum import HeatedPicture, Narrow, draw_pictures_over_sum
from workbench.figures.style import Figure, subtitle, text

if TYPE_CHECKING:
    from workbench.explain.combined import CombinedExplanation, ExplainedPart

COLUMNS = 3  # pictures beside one another
PICTURES = 6  # most pictures: all parts together, and the first ones
HEIGHT = 250  # pixels of a row of pictures
NARROW = (Narrow(760, 300, 0.4), Narrow(440, 230, 0.46))


def combined_explanation(why: CombinedExplanation) -> Figure:
    """The image under the heat of all parts that count, and of each part, on one scale, above the sum of what
    the parts and their regions or concepts add."""
    shown = _shown(why)
    columns = 2 if len(shown) == 4 else min(COLUMNS, len(shown))
    title = f"Score {why.score:.3f}" + (f" of {text(why.subject)}" if why.subject else "")
    details = (
        text(why.text, 90)
        + "<br>"
        + subtitle(
            text(why.pipeline, 60),
            f"n = {len(why.parts)} part{'s' * (len(why.parts) != 1)}",
            _left_out(why, len(shown)),
            collection=why.collection,
            pipelines=[why.pipeline],
        )
    )
    return draw_pictures_over_sum(title, details, shown, columns, HEIGHT, waterfall(why.sum()), NARROW)


def _shown(why: CombinedExplanation) -> list[HeatedPicture]:
    """The pictures: all parts that count together, if there are several, and the first parts."""
    counting = [part for part in why.parts if part.counts]
    image = why.picture or NamedPicture("", Image.new("RGB", (4, 3), "white"))
    pictures: list[HeatedPicture] = []
    if len(counting) > 1:
        boxes = [part.box for part in why.parts if part.box is not None]
        name = f"All: {signed(why.score, 3)}"
        outlines = np.array(boxes, float).reshape(-1, 4)
        pictures.append(HeatedPicture(name, image, why.image_heatmap, outlines))
    parts = list(why.parts)
    if len(parts) > PICTURES - len(pictures):  # those that count go first
        parts.sort(key=lambda part: not part.counts)
    pictures += [_picture(image, part) for part in parts[: PICTURES - len(pictures)]]
    return pictures


def _picture(image: NamedPicture, part: ExplainedPart) -> HeatedPicture:
    boxes = np.array([] if part.box is None else [part.box], float).reshape(-1, 4)
    effect = signed(part.value, 3) if part.counts else f"{signed(part.value, 3)}, not decisive"
    return HeatedPicture(f"{text(part.leaf, 30)}: {effect}", image, part.heatmap, boxes)


def _left_out(why: CombinedExplanation, pictures: int) -> str:
    drawn = pictures - (sum(part.counts for part in why.parts) > 1)
    return f"heat of {drawn} of them" if drawn < len(why.parts) else ""
