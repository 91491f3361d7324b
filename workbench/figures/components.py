"""Two pictures under the colours of their common principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.collections.named_picture import NamedPicture
from workbench.config.errors import WorkbenchError
from workbench.figures.pictures import SIDE, picture_figure, under_colours
from workbench.figures.style import Figure, subtitle, text

if TYPE_CHECKING:
    import numpy as np

    from workbench.explain.components import Components

_COLOURS = ("#e00000", "#00a000", "#2020ff")  # of the legend


def components(components: Components, first: int = 1) -> Figure:
    """Both pictures with components ``first`` to ``first + 2`` of their cells as red, green and blue.

    The colours of both have one scale. Raises WorkbenchError for a first component beyond the fourth.
    """
    colours = components.colours(first)
    pictures = [_coloured(p, c) for p, c in zip(components.pictures or (None, None), colours, strict=True)]
    shown = components.shares[first - 1 : first + 2]
    figure, _ = picture_figure(
        pictures,
        [(c.shape[1], c.shape[0]) for c in colours],
        "Principal components of both pictures",
        subtitle(
            text(components.pipeline),
            f"n = {sum(c.shape[0] * c.shape[1] for c in colours):,} cells",
            f"{100 * shown.sum():.0f} % of the variance",
            collection=components.collection,
            pipelines=[components.pipeline],
        ),
    )
    for n, (colour, share) in enumerate(zip(_COLOURS, shown, strict=True)):
        name = f"component {first + n}: {100 * share:.0f} % of the variance"
        marker = {"color": colour, "symbol": "square", "size": 10}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker)
    return figure


def _coloured(picture: NamedPicture | None, colours: np.ndarray) -> NamedPicture | None:
    """The picture under the colours [H, W, 3] of its cells; itself if it cannot be read."""
    if picture is None:
        return None
    try:
        return NamedPicture(picture.name, under_colours(picture.load(SIDE), colours))
    except WorkbenchError:
        return picture
