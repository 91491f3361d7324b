"""Copy detection by transformation: the share of copied segments that are detected, and their overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import LEGEND_BELOW, Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.engine.copy_evaluation import CopyEvaluation

TITLE = "Copy detection by transformation"
_ROW = 34  # pixels of a transformation
_NAME = 28  # characters of a transformation


def copy_evaluation(result: CopyEvaluation) -> Figure:
    """The recall at the best F1 (bars) and the mean IoU (points) of each transformation, in percent."""
    table = result.transformations
    if not len(table):
        return notice("There are no copied segments, so there is nothing to detect.", TITLE)
    metrics = result.metrics
    details = subtitle(
        f"µAP {100 * metrics['µAP']:.1f} %",
        f"F1 {100 * metrics['F1']:.1f} % at a score of {metrics['threshold']:.1f}"
        if metrics["F1"]
        else "F1 0 %: nothing right was detected",
        f"n = {int(table['copies'].sum()):,} copied segments in {result.queries:,} query videos",
        f"a copy is reported in {result.false_alarms:,} of {result.negatives:,} videos without one"
        if result.negatives
        else "",
        collection=result.collection,
        pipelines=[result.pipeline],
    )
    figure = new_figure(
        TITLE,
        f"{text(result.collection)}, {text(result.pipeline)}<br>{details}",
        x="recall and intersection over union, %",
        height=190 + _ROW * len(table),
        margin={"t": 84},
        legend=LEGEND_BELOW,
    )
    places = list(range(len(table)))
    recalls, overlaps = (100 * table["recall"]).tolist(), (100 * table["iou"]).tolist()
    hover = [
        f"{text(row['transformation'])}: {row['recall'] * row['copies']:.0f} of {row['copies']} detected, "
        f"mean IoU {100 * row['iou']:.1f} %, AP {100 * row['average_precision']:.1f} %"
        for row in table.to_dict("records")
    ]
    figure.add_bar(
        x=recalls, y=places, orientation="h", name="recall at the best F1", hovertext=hover, hoverinfo="text"
    )
    figure.add_scatter(
        x=overlaps,
        y=places,
        mode="markers",
        name="mean IoU of the segments",
        marker={"symbol": "diamond", "size": 10, "line": {"width": 1, "color": "white"}},
        hovertext=hover,
        hoverinfo="text",
    )
    names = [text(name, _NAME) for name in table["transformation"]]
    figure.update_yaxes(tickvals=places, ticktext=names, autorange="reversed", showgrid=False, zeroline=False)
    figure.update_xaxes(range=[0, 104])
    return figure
