"""The files that the attention panel offers: the picture under its heat, or both under their components."""

from __future__ import annotations

from functools import partial

from workbench.collections.uploads import display_name
from workbench.common.picture_bytes import png
from workbench.explain.components import Components
from workbench.figures.style import subtitle
from workbench.panels.attention.model import HEATS, OF_CHANNEL, OF_SCORE, AttentionView, heat
from workbench.panels.widgets.download import File
from workbench.report.pictures import components_picture, heat_picture


def files(seen: AttentionView, kind: str, channel: int, signed: bool, first: int = 1) -> dict[str, File]:
    """The picture under that heat, or both under components from ``first`` on, as a file to download."""
    values, activations = heat(seen, kind, channel), seen.activations
    if kind == "components" and seen.components is not None:
        return {"Both pictures (PNG)": partial(_components_file, seen.components, first)}
    if values is None or activations is None or activations.picture is None:
        return {}
    picture, request = activations.picture, seen.request
    title, quantity = HEATS[kind]
    of = f" of channel {channel}" if kind in OF_CHANNEL else ""
    scored = f"score with {display_name(request.other)}" if kind in OF_SCORE else ""
    data = subtitle(collection=activations.collection, pipelines=[activations.pipeline])
    notes = [*filter(None, [f"{title}{of}", scored, activations.pipeline, data])]

    def heat_file() -> tuple[str, bytes]:
        shown = heat_picture([picture], [values], quantity + of, notes, signed)
        return f"{picture.name}-{kind}.png", png(shown)

    return {"Picture and heat (PNG)": heat_file}


def _components_file(components: Components, first: int) -> tuple[str, bytes]:
    notes = [components.pipeline, subtitle(collection=components.collection, pipelines=[components.pipeline])]
    name = components.pictures[0].name if components.pictures else "picture"
    return f"{name}-components.png", png(components_picture(components, first, [*filter(None, notes)]))
