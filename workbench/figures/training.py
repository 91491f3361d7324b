"""Loss and held-out measures over the epochs of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.common.palette import NEUTRAL, PALETTE
from workbench.figures.style import DASHES, LEGEND_BELOW, SYMBOLS, Figure, new_figure, notice, subtitle, text
from workbench.learning.history import values_of
from workbench.learning.measures import MEASURES, measure

if TYPE_CHECKING:
    from workbench.learning.history import TrainingHistory

_LOSSES = ("loss", "validation")
_EVERY = 20  # epochs, up to which each has a tick


def training(history: TrainingHistory) -> Figure:
    """Losses above, held-out measures in percent below, over epochs; a dashed line marks the kept epoch."""
    title = f"Training {text(history.name)}"
    numbers = [epoch.number for epoch in history if epoch.number > 0]
    if not numbers:
        return notice("The first epoch appears here once it is trained.", title)
    collection = f"on {text(history.collection)}" if history.collection else ""
    figure = new_figure(
        title,
        subtitle(
            f"n = {len(numbers)} of {max(history.planned, *numbers)} epochs",
            collection,
            f"epoch {history.kept} is kept",
            collection=history.collection,
            pipelines=[history.base],
        ),
        x="epoch",
        y="loss",
        height=440,
    )
    shares = [name for name in MEASURES if name not in _LOSSES and values_of(history, name)]
    for number, name in enumerate([*_LOSSES, *shares]):
        points = values_of(history, name)
        if points:
            shown = "loss" if name == "loss" else measure(name).title
            unit = " %" if measure(name).percent else ""
            figure.add_scatter(
                x=[epoch for epoch, _ in points],
                y=[value for _, value in points],
                mode="lines+markers",
                name=shown,
                yaxis="y2" if name in shares else "y",
                line={"color": PALETTE[number % len(PALETTE)], "dash": DASHES[number % len(DASHES)]},
                marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 8},
                ids=[str(epoch) for epoch, _ in points],
                hovertext=[f"epoch {epoch}: {shown} {value:.4g}{unit}" for epoch, value in points],
                hoverinfo="text",
            )
    last = max(history.planned, *numbers)
    first = 0 if any(epoch.number == 0 for epoch in history) else 1
    figure.update_yaxes(rangemode="nonnegative")
    figure.update_xaxes(range=[first - 0.5, last + 0.5], tick0=0, tickformat="d", zeroline=False)
    if last <= _EVERY:
        figure.update_xaxes(dtick=1)
    if shares:
        figure.update_layout(
            xaxis={"anchor": "y2"},
            yaxis={"domain": [0.56, 1]},
            yaxis2={"domain": [0, 0.44], "title": {"text": "held out, %"}, "anchor": "x"},
        )
    line = {"color": NEUTRAL, "dash": "dash", "width": 1}
    figure.add_shape(type="line", x0=history.kept, x1=history.kept, yref="paper", y0=0, y1=1, line=line)
    figure.update_layout(legend=LEGEND_BELOW)
    return figure
