"""The command that evaluates search by text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.cli.console import print_json, print_line, print_notes, print_table, progress_bar
from workbench.cli.options import Opening
from workbench.config.errors import WorkbenchError


def evaluate_texts(opening: Opening, pipelines: Sequence[str], file: Path, as_json: bool) -> None:
    """Print the AP and the recall among the first ten of each text of a CSV, and their means."""
    from workbench.evaluation.measures_text import percent

    if len(pipelines) > 1:
        raise WorkbenchError("--text-queries takes one pipeline at most; evaluate the others one by one")
    with progress_bar() as progress:
        bench = opening(progress)
        pipeline = pipelines[0] if pipelines else None
        evaluation = bench.studies.text_queries(file, pipeline, progress=progress)
    table = evaluation.per_query
    if as_json:
        print_json(
            {
                "collection": evaluation.collection,
                "mean_ap": evaluation.mean_ap,
                "recall_10": evaluation.recall,
                "per_query": table.to_dict("records"),
                "warnings": evaluation.warnings,
            }
        )
        return
    rows = [
        [str(text), str(positives), percent(ap), percent(recall)]
        for text, positives, ap, recall in table.iloc[:, :4].to_numpy()
    ]
    print_table(f"{evaluation.collection}: {len(rows):,} texts", ["text", "images", "AP %", "R@10 %"], rows)
    print_line(
        f"mAP {percent(evaluation.mean_ap)} %, R@10 {percent(evaluation.recall)} %, means over the texts"
    )
    print_notes(evaluation.warnings)
