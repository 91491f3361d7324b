"""A training as HTML: the epoch that is kept, and a table of all epochs."""

from __future__ import annotations

from workbench.learning.history import TrainingHistory, values_of
from workbench.learning.measures import MEASURES, measure
from workbench.report.markup import escape, paragraph, table


def training_summary(history: TrainingHistory) -> str:
    """The epoch that is kept beside the untrained model."""
    chosen = [epoch for epoch in history if epoch.number in (0, history.kept)]
    lines = [f"<b>Training {escape(history.name)}</b>"]
    for epoch in chosen:
        lines.append(escape(f"{epoch}{' (kept)' if epoch.number == history.kept else ''}"))
    return paragraph(lines)


def training_table(history: TrainingHistory) -> str:
    """Losses and held-out measures of all epochs."""
    names = [name for name in ("loss", *MEASURES) if values_of(history, name)]
    heads = ["loss" if name == "loss" else _title(name) for name in names]
    values = [dict(values_of(history, name)) for name in names]
    rows = []
    for epoch in history:
        cells = [f"{column[epoch.number]:.4g}" if epoch.number in column else "" for column in values]
        rows.append([f"{epoch.number}{' (kept)' if epoch.number == history.kept else ''}", *cells])
    return table(["epoch", *heads], rows)


def _title(name: str) -> str:
    return f"{measure(name).title}, %" if measure(name).percent else measure(name).title
