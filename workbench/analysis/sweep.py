"""Pipelines that differ in parameters, evaluated and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.analysis.combinations import Combinations, Value, combinations, fields
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Comparison
from workbench.evaluation.intervals import mean_interval
from workbench.evaluation.judged import judged_text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COLUMNS = ("pipeline", "mean_ap", "low", "high", "judged", "bytes", "milliseconds", "progress")


@dataclass(frozen=True, repr=False)
class Sweep(Drawable):
    """Evaluations of the pipelines of a template.

    ``evaluations`` are those that were made, in the order of the template's ``combinations``. ``left_out``
    has the reason for each combination without meaning, and for each that could not be evaluated.
    """

    combinations: Combinations
    evaluations: tuple[Evaluation, ...]
    left_out: dict[str, str]

    @property
    def template(self) -> str:
        return self.combinations.template

    @property
    def values(self) -> dict[str, tuple[Value, ...]]:
        """The values of each parameter."""
        return self.combinations.values

    @property
    def varied(self) -> list[str]:
        """The parameters with more than one value; all of them, if none has."""
        names = list(self.values)
        return [name for name in names if len(self.values[name]) > 1] or names

    @property
    def comparison(self) -> Comparison:
        """The evaluations paired query by query."""
        return Comparison(self.evaluations)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each pipeline, as fractions 0…1.

        Columns: pipeline, the parameters, mean_ap with the ends ``low`` and ``high`` of its 95 % interval
        over queries, judged (such as 58 of 60 queries), the metrics, bytes an image, milliseconds a query.
        """
        return Table([self._row(evaluation) for evaluation in self.evaluations])

    def figure(self, measure: str = "mAP", x: str = "", kind: str = "") -> Figure:
        """A measure over the parameter ``x`` (default: the first that varies), by plotly.

        ``measure`` is a metric or a cost of ``table``. ``kind``: ``lines`` or ``heatmap`` of two parameters.
        """
        return draw("sweep", self, measure=measure, x=x, kind=kind)

    def __repr__(self) -> str:
        shown = self.table[["pipeline", "mean_ap", "low", "high"]].to_string(index=False)
        return printable(f"Sweep of {self.template}\n{shown}", keep="\n")

    def _row(self, evaluation: Evaluation) -> dict[str, Any]:
        low, high = mean_interval(evaluation.per_query["ap"])
        return {
            "pipeline": evaluation.pipeline,
            **self.combinations.pipelines[evaluation.pipeline],
            "mean_ap": evaluation.mean_ap,
            "low": low,
            "high": high,
            "judged": judged_text(evaluation.provenance),
            **evaluation.metrics,
            **evaluation.costs,
        }


def sweep(
    template: str,
    values: Mapping[str, Iterable[Value]],
    evaluate: Callable[[str, Progress], Evaluation],
    progress: Progress = silent,
) -> Sweep:
    """Evaluate every pipeline of a template, one after another, by ``evaluate(pipeline, progress)``.

    A pipeline that cannot be evaluated is left out with the reason. Raises WorkbenchError if no pipeline is
    left, or if a field has the name of a column of the table.
    """
    for name in fields(template) if isinstance(template, str) else ():
        if name in _COLUMNS or name.startswith(("mAP", "localisation")):
            raise WorkbenchError(f"field {{{name}}}: the results use this name; choose another")
    combined = combinations(template, values)
    left_out, evaluations = dict(combined.left_out), list[Evaluation]()
    for number, pipeline in enumerate(combined.pipelines, start=1):
        try:
            evaluations.append(evaluate(pipeline, _numbered(progress, number, len(combined.pipelines))))
        except WorkbenchError as error:
            left_out[pipeline] = str(error)
    if not evaluations:
        reason = next(iter(left_out.values()))
        raise WorkbenchError(f"template {template!r} gives no valid pipeline: {reason}")
    return Sweep(combined, tuple(evaluations), left_out)


def evaluated(combined: Combinations, evaluations: Sequence[Evaluation]) -> Sweep:
    """The sweep of those of the evaluations that are among the combinations."""
    by_pipeline = {evaluation.pipeline: evaluation for evaluation in evaluations}
    return Sweep(
        combined, tuple(by_pipeline[p] for p in combined.pipelines if p in by_pipeline), combined.left_out
    )


def _numbered(progress: Progress, number: int, total: int) -> Progress:
    def report(task: str, done: int, steps: int) -> None:
        progress(f"{number} of {total} pipelines: {task}", done, steps)

    return report
