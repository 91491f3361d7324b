"""The table of a comparison for papers and spreadsheets: LaTeX, Markdown and CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, NamedTuple

import pandas as pd

from workbench.collections.protocols import PROTOCOLS
from workbench.common.files import write_output
from workbench.common.paths import user_file
from workbench.config.printable import printable
from workbench.evaluation.judged import judged_text
from workbench.evaluation.measures_text import distinct_notes, measure_titles, measure_value

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "–": "--",
    }
)


class Cells(NamedTuple):
    """The table as text: titles of measures, pipelines, a row of values for each, and which are the best."""

    titles: list[str]
    pipelines: list[str]
    values: list[list[str]]
    best: list[list[bool]]

    def rows(self, text: Callable[[str], str], bold: str) -> list[list[str]]:
        """The values as ``text`` makes them, the best in the template ``bold``."""
        return [
            [bold % text(value) if is_best else text(value) for value, is_best in zip(*row, strict=True)]
            for row in zip(self.values, self.best, strict=True)
        ]


def cells(evaluations: Sequence[Any]) -> Cells:
    """The measures of evaluations by one protocol. Of several rows, the highest values are the best.

    Values that are equal with the digits shown are equally good.
    """
    names = _measures(evaluations)
    values = [[e.metrics.get(name, math.nan) for name in names] for e in evaluations]
    known = [[v for v in column if not math.isnan(v)] for column in zip(*values, strict=True)]
    most = [max(column, default=math.nan) for column in known]
    highest = [measure_value(*cell) for cell in zip(names, most, strict=False)]
    texts = [[measure_value(*cell) for cell in zip(names, row, strict=True)] for row in values]
    several = len(evaluations) > 1
    return Cells(
        [title if name == "N-S" else f"{title}, %" for name, title in names.items()],
        [printable(e.pipeline) for e in evaluations],
        texts,
        [[several and t == high != "–" for t, high in zip(row, highest, strict=True)] for row in texts],
    )


def to_latex(evaluations: Sequence[Any]) -> str:
    """A ``tabular`` with the rules of booktabs; the notes are comments above it."""
    table = cells(evaluations)
    rows = [
        " & ".join([rf"\texttt{{{latex_text(name)}}}", *row]) + r" \\"
        for name, row in zip(table.pipelines, table.rows(latex_text, r"\textbf{%s}"), strict=True)
    ]
    lines = [
        *(f"% {line}" for line in _about(evaluations)),
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'r' * len(table.titles)}}}",
        r"\toprule",
        " & ".join(["Pipeline", *map(latex_text, table.titles)]) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def to_markdown(evaluations: Sequence[Any]) -> str:
    """A table with pipes; the collection, the protocol and the notes are below it."""
    table = cells(evaluations)
    rows = [[_code(name), *row] for name, row in zip(table.pipelines, table.rows(str, "**%s**"), strict=True)]
    lines = [f"| {' | '.join(row)} |" for row in [["Pipeline", *table.titles], *rows]]
    lines.insert(1, "|:--" + "|--:" * len(table.titles) + "|")
    return "\n".join([*lines, "", *(f"- {markdown_text(line)}" for line in _about(evaluations))]) + "\n"


def to_csv(table: pd.DataFrame, evaluations: Sequence[Any]) -> str:
    """``Comparison.table`` with collection, protocol and notes; measures are fractions in full precision."""
    facts = {
        "collection": [printable(e.collection) for e in evaluations],
        "protocol": [e.protocol for e in evaluations],
        "notes": ["; ".join(map(printable, dict.fromkeys(e.warnings))) for e in evaluations],
    }
    table = pd.DataFrame(table).assign(pipeline=[printable(name) for name in table["pipeline"]], **facts)
    return str(table.to_csv(index=False, lineterminator="\n"))


def output(content: str, path: str | PathLike[str] | None) -> str:
    """Return the text, and write it to ``path`` if there is one. Raises WorkbenchError if it cannot."""
    if path is not None:
        write_output(user_file(path), content, "table")
    return content


def latex_text(text: str) -> str:
    """Text for LaTeX, with its special characters escaped."""
    return printable(text).translate(_LATEX)


def markdown_text(text: str) -> str:
    """Text for Markdown, in which nothing is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$&!])", r"\\\1", printable(text))


def _measures(evaluations: Sequence[Any]) -> dict[str, str]:
    """The measures that at least one evaluation has: {name of the metric: title}."""
    if not evaluations:
        return {}
    titles = measure_titles(PROTOCOLS[evaluations[0].protocol], localised=True)
    return {name: title for name, title in titles.items() if any(name in e.metrics for e in evaluations)}


def _about(evaluations: Sequence[Any]) -> list[str]:
    """The collection, the protocol and the queries in a line, then the notes."""
    if not evaluations:
        return []
    first = evaluations[0]
    facts = first.collection, PROTOCOLS[first.protocol].title, judged_text(first.provenance)
    lines = [", ".join(filter(None, facts)), *distinct_notes(evaluations)]
    return [printable(line) for line in lines]


def _code(name: str) -> str:
    """A name as code in a cell of a table: between more backticks than it has in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", name)), default=0))
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{name.replace('|', chr(92) + '|')}{space}{fence}"
