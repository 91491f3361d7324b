"""What is seen of one image: the picture, where a layer responds in it, and what of it makes a score."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from workbench.activations import Activations, Contributions
from workbench.collections.collection import Box, Query
from workbench.config import Config, is_local
from workbench.descriptors.weighting import centre_prior
from workbench.panels.parts import signed
from workbench.panels.results import percent
from workbench.panels.widgets.region import Line, line
from workbench.progress import Progress

if TYPE_CHECKING:
    from workbench.pipeline import Workbench

SIDE = 640  # pixels of the picture's longer side
HEATS = {  # kind → title, what its scale measures
    "norm": ("norm of all channels", "norm"),
    "max": ("strongest channel (max)", "maximum"),
    "mean": ("mean of all channels", "mean"),
    "channel": ("one channel", "activation"),
    "contribution": ("what makes the score", "part of the score"),
    "strongest": ("channels that make the score", "part of the score"),
    "cells": ("weights of the cells", "weight"),
    "centre": ("centre prior", "weight"),
}
OF_SCORE = "contribution", "strongest"
OF_CHANNEL = "channel", "strongest"
NO_MAP = "A fully connected layer answers for the whole picture: it has no map to show."
KEYPOINTS = "Keypoints have no feature map, so there are no cells to show: see them in Local matches."


class Asked(NamedTuple):
    """A picture, the one that it is scored with ("" for none), and by which pipeline.

    "" stands for its own layer, and for its own regions.
    """

    image: str
    box: Box | None
    other: str
    other_box: Box | None
    pipeline: str
    layer: str
    regions: str = ""

    @property
    def elsewhere(self) -> bool:
        """Whether it is looked at otherwise than the pipeline does."""
        return bool(self.layer or self.regions)

    @property
    def view(self) -> Asked:
        """The same without what it is scored with: the picture and its regions."""
        return self._replace(other="", other_box=None)


class Seen(NamedTuple):
    """What is seen of it. ``frame`` is its place in the upright image, in pixels."""

    asked: Asked
    picture: bytes
    frame: Box
    activations: Activations | None
    parts: Contributions | None


def see(bench: Workbench, asked: Asked, query: Query, progress: Progress) -> Seen:
    """Look at a picture. ``query`` is what its name stands for: an image and the box it has of its own."""
    image, box, other, other_box, pipeline, layer, laid = asked
    picture = bench.picture(image, box)
    activations = parts = None
    if layer or Config.parse(pipeline).pooling.name not in ("code", "bow"):
        activations = bench.activations(image, pipeline, box, layer or None, progress, laid or None)
        if other and not asked.elsewhere:
            parts = bench.contributions(image, other, pipeline, box, other_box, progress)
    x0, y0, *_ = (max(0, int(edge)) for edge in box or query.box or (0, 0))
    frame = x0, y0, x0 + picture.width, y0 + picture.height
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=88)
    return Seen(asked, data.getvalue(), frame, activations, parts)


def kinds(seen: Seen) -> list[str]:
    """The kinds of heat that there are for it."""
    if seen.activations is None:
        return ["norm"]
    own_weights = {step.name for step in Config.parse(seen.asked.pipeline).weightings} - {"centre"}
    lacking = {*(OF_SCORE if seen.parts is None else ()), *(() if own_weights else ("cells",))}
    return [kind for kind in HEATS if kind not in lacking]


def heat(seen: Seen, kind: str, channel: int) -> np.ndarray | None:
    """The heat of that kind [H, W]; None where there is none."""
    activations, parts = seen.activations, seen.parts
    if activations is None or (parts is None and kind in OF_SCORE):
        return None
    if kind == "centre":
        return centre_prior(*activations.cells.shape).numpy()
    if kind == "cells":
        return activations.cells
    if parts is not None and kind in OF_SCORE:
        return np.asarray(parts.heat[channel] if kind == "strongest" else parts.heat.sum(0))
    return activations.heat(kind, channel)


def named(name: str) -> str:
    """A name as it is shown: of a file from elsewhere, without its folders."""
    return Path(name).name if Path(name).is_absolute() else name


def note(seen: Seen) -> str:
    """What the map is, and what its score is with which image."""
    activations, parts = seen.activations, seen.parts
    if activations is None:
        return KEYPOINTS if is_local(Config.parse(seen.asked.pipeline).backbone) else NO_MAP
    channels, height, width = activations.maps.shape
    words = [f"{width} × {height} cells", f"{channels} channels", f"{len(activations.regions)} regions"]
    if parts is not None:
        words.append(f"score {parts.score:.3f} with {named(seen.asked.other)}")
    return " · ".join(words)


def levels(seen: Seen) -> list[str]:
    """The levels of its regions, where there are several."""
    found = [] if seen.activations is None else sorted(set(seen.activations.levels.tolist()))
    return [str(level) for level in found] if len(found) > 1 else []


def regions(seen: Seen, values: str) -> list[dict[str, Any]]:
    """The regions as a view draws them, with what each is worth: ``weight``, ``norm`` or ``contribution``."""
    activations, parts = seen.activations, seen.parts
    if activations is None:
        return []
    worth = {"weight": activations.weights, "norm": activations.norms}
    if parts is not None:
        worth["contribution"] = parts.regions
    worths = worth.get(values, activations.weights)
    top = float(np.abs(worths).max()) or 1.0

    def text(number: int) -> str:
        value = float(worths[number])
        if values != "contribution" or parts is None:
            return f"region {number + 1}: {values} {value:.3g}"
        share = f" ({percent(value / parts.score)} %)" if parts.score else ""
        return f"region {number + 1}: {signed(value)} of the score{share}"

    return [
        {"box": box, "text": text(number), "strength": abs(float(worths[number])) / top, "group": level}
        for number, (box, level) in enumerate(
            zip(activations.regions.tolist(), activations.levels.tolist(), strict=True)
        )
    ]


def in_pixels(seen: Seen, number: int) -> Box:
    """A region in pixels of the upright image."""
    assert seen.activations is not None
    x0, y0, x1, y1 = seen.frame
    left, top, right, bottom = seen.activations.regions[number].tolist()
    across, down = x1 - x0, y1 - y0
    return x0 + left * across, y0 + top * down, x0 + right * across, y0 + bottom * down


def channel_rows(parts: Contributions, channels: list[int]) -> list[dict[str, Any]]:
    """Rows of a table of channels."""
    each, share = parts.channels, parts.channels / (parts.score or 1.0)
    return [
        {
            "id": str(c),
            "cells": {"channel": str(c), "part": signed(each[c], 4), "share": percent(share[c])},
            "order": {"channel": c, "part": float(each[c]), "share": float(share[c])},
        }
        for c in channels
    ]


def channel_sum(parts: Contributions, channels: list[int], other: str) -> list[Line]:
    """How these channels and all others add up to the score."""
    these = float(parts.channels[channels].sum())
    rest = len(parts.channels) - len(channels)
    return [
        line(f"{signed(these, 4)} from these {len(channels)} channels", "numbers"),
        line(f"{signed(parts.score - these, 4)} from the other {rest}", "numbers"),
        line(f"= {parts.score:.4f}, the score with {named(other)}", "numbers"),
    ]
