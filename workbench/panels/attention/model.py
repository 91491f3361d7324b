"""One image in the attention panel: its picture, the heat of a layer, and the parts of its score."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from workbench.collections.collection import Query
from workbench.collections.uploads import display_name
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.common.rounding import signed
from workbench.config.config import Config
from workbench.config.steps import WHOLE, is_local
from workbench.descriptors.weighting import centre_prior
from workbench.evaluation.measures_text import percent
from workbench.explain.activations import Activations
from workbench.explain.channels import Contributions
from workbench.explain.components import Basis, Components
from workbench.panels.widgets.region import Line, line

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

SIDE = 640  # pixels of the picture's longer side
HEATS = {  # kind → title, quantity of its scale
    "norm": ("norm of all channels", "norm"),
    "max": ("channels with their maximum here (max)", "channels"),
    "mean": ("mean of all channels", "mean"),
    "channel": ("one channel", "activation"),
    "components": ("principal components of both images", ""),
    "contribution": ("contribution to the score", "part of the score"),
    "strongest": ("channels with the largest contribution", "part of the score"),
    "cells": ("weights of the cells", "weight"),
    "centre": ("centre prior", "weight"),
}
OF_SCORE = "contribution", "strongest"
OF_CHANNEL = "channel", "strongest"
OF_BOTH = "components", *OF_SCORE  # kinds that need a second image
NO_MAP = "A fully connected layer has one vector for the whole picture, and no map to show."
KEYPOINTS = "Keypoints have no feature map, so there are no cells to show; Local matches shows keypoints."


class Request(NamedTuple):
    """A picture, the image that it is scored with ("" for none), and the pipeline.

    An empty ``layer`` is the pipeline's layer, empty ``regions`` are the pipeline's regions. With
    ``components`` the other image is shown too, in the common components of both, or in those of ``basis``.
    """

    image: str
    box: Box | None
    other: str
    other_box: Box | None
    pipeline: str
    layer: str
    regions: str = ""
    components: bool = False
    basis: Basis | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether the layer or the regions are not the pipeline's own."""
        return bool(self.layer or self.regions)

    @property
    def view(self) -> Request:
        """The same request without the other image: the picture and its regions."""
        return self._replace(other="", other_box=None, components=False, basis=None)


class AttentionView(NamedTuple):
    """The picture (JPEG), its activations and its contributions to the score, where there are any.

    ``frame`` is the box of the picture in the upright image, in pixels. ``components`` and ``second``, the
    other picture (JPEG), are there if the request asks for components.
    """

    request: Request
    picture: bytes
    frame: Box
    activations: Activations | None
    parts: Contributions | None
    components: Components | None = None
    second: bytes = b""


def see(bench: Bench, request: Request, query: Query, progress: Progress) -> AttentionView:
    """Read a picture and compute its activations; ``query`` is the image, with its own box, of that name."""
    image, box, other, other_box, pipeline, layer, regions, _, basis = request
    picture = bench.picture(image, box=box)
    activations = parts = components = None
    second = b""
    config = Config.parse(pipeline)
    if layer or config.has_cells or config.pooling.name not in WHOLE:
        activations = bench.studies.activations(
            image, pipeline=pipeline, box=box, layer=layer or None, regions=regions or None, progress=progress
        )
        if other and not request.elsewhere and config.has_vectors:
            parts = bench.studies.contributions(
                image, other, pipeline=pipeline, box=box, other_box=other_box, progress=progress
            )
        if other and request.components:
            components = bench.studies.components(
                image,
                other,
                pipeline=pipeline,
                box=box,
                progress=progress,
                other_box=other_box,
                layer=layer or None,
                basis=basis,
            )
            second = _jpeg(bench.picture(other, box=other_box))
    x0, y0, *_ = (max(0, int(edge)) for edge in box or query.box or (0, 0))
    frame = x0, y0, x0 + picture.width, y0 + picture.height
    return AttentionView(request, _jpeg(picture), frame, activations, parts, components, second)


def _jpeg(picture: Image.Image) -> bytes:
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=88)
    return data.getvalue()


def kinds(seen: AttentionView) -> list[str]:
    """The kinds of heat that this picture has."""
    if seen.activations is None:
        return ["norm"]
    config = Config.parse(seen.request.pipeline)
    cell_weights = config.has_cells or any(step.name == "norm" for step in config.weightings)
    missing = {*(OF_SCORE if seen.parts is None else ()), *(() if cell_weights else ("cells",))}
    missing |= {*(() if seen.request.other else ("components",))}
    return [kind for kind in HEATS if kind not in missing]


def heat(seen: AttentionView, kind: str, channel: int) -> np.ndarray | None:
    """The heat of that kind [H, W]; None if the picture has none."""
    activations, parts = seen.activations, seen.parts
    if activations is None or kind == "components" or (parts is None and kind in OF_SCORE):
        return None
    if kind == "centre":
        return centre_prior(*activations.cells.shape).numpy()
    if kind == "cells":
        return activations.cells
    if parts is not None and kind in OF_SCORE:
        return np.asarray(parts.heat[channel] if kind == "strongest" else parts.heat.sum(0))
    return activations.heat(kind, channel)


def note(seen: AttentionView) -> str:
    """The size of the map, the number of regions, and the score with the other image."""
    activations, parts = seen.activations, seen.parts
    if activations is None:
        return KEYPOINTS if is_local(Config.parse(seen.request.pipeline).backbone) else NO_MAP
    channels, height, width = activations.maps.shape
    words = [f"{width} × {height} cells", f"{channels} channels"]
    words += [f"{count} regions"] if (count := len(activations.regions)) else []
    if parts is not None:
        words.append(f"score {parts.score:.3f} with {display_name(seen.request.other)}")
    return " · ".join(words)


def levels(seen: AttentionView) -> list[str]:
    """The levels of the regions; none if all regions are of one level."""
    numbers = [] if seen.activations is None else sorted(set(seen.activations.levels.tolist()))
    return [str(level) for level in numbers] if len(numbers) > 1 else []


def regions(seen: AttentionView, values: str) -> list[dict[str, Any]]:
    """The regions of a HeatView, each with a value: ``weight``, ``norm`` or ``contribution``."""
    activations, parts = seen.activations, seen.parts
    if activations is None:
        return []
    choices = {"weight": activations.weights, "norm": activations.norms}
    if parts is not None:
        choices["contribution"] = parts.regions
    chosen = choices.get(values, activations.weights)
    top = float(np.abs(chosen).max(initial=0)) or 1.0

    def text(number: int) -> str:
        value = float(chosen[number])
        if values != "contribution" or parts is None:
            return f"region {number + 1}: {values} {value:.3g}"
        share = f" ({percent(value / parts.score)} %)" if parts.score else ""
        return f"region {number + 1}: {signed(value)} of the score{share}"

    return [
        {"box": box, "text": text(number), "strength": abs(float(chosen[number])) / top, "group": level}
        for number, (box, level) in enumerate(
            zip(activations.regions.tolist(), activations.levels.tolist(), strict=True)
        )
    ]


def in_pixels(seen: AttentionView, number: int) -> Box:
    """The box of a region in pixels of the upright image."""
    assert seen.activations is not None
    x0, y0, x1, y1 = seen.frame
    left, top, right, bottom = seen.activations.regions[number].tolist()
    width, height = x1 - x0, y1 - y0
    return x0 + left * width, y0 + top * height, x0 + right * width, y0 + bottom * height


def channel_rows(parts: Contributions, channels: list[int]) -> list[dict[str, Any]]:
    """Rows of a table of channels."""
    values, shares = parts.channels, parts.channels / (parts.score or 1.0)
    return [
        {
            "id": str(c),
            "cells": {"channel": str(c), "part": signed(values[c]), "share": percent(shares[c])},
            "order": {"channel": c, "part": float(values[c]), "share": float(shares[c])},
        }
        for c in channels
    ]


def channel_sum(parts: Contributions, channels: list[int], other: str) -> list[Line]:
    """The sum of these channels and of all others, which add up to the score."""
    total = float(parts.channels[channels].sum())
    rest = len(parts.channels) - len(channels)
    return [
        line(f"{signed(total)} from these {len(channels)} channels", "numbers"),
        line(f"{signed(parts.score - total)} from the other {rest}", "numbers"),
        line(f"= {parts.score:.4f}, the score with {display_name(other)}", "numbers"),
    ]
