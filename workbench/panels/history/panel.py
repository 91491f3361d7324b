"""The history panel: earlier evaluations, reopened or compared, and files of the session and a report."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import ipywidgets as W
import pandas as pd

from workbench.common.paths import user_file
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels import session_file
from workbench.panels.base import Panel
from workbench.panels.history import table as run_tables
from workbench.panels.session import Session
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.page_link import PageLink
from workbench.panels.widgets.region import Line, Text, line, region
from workbench.panels.widgets.table import Table, column
from workbench.report import page as report_page
from workbench.runs import store

REPORT = "report"  # a lane
SHOWN = 200  # runs in the table
_QUERIES = 200  # queries in the table of differences: the most different ones
_HINT = "Choose a run to see how it was made, and a second run to compare the two."


def file_named(text: str, ending: str) -> Path:
    """The path that was typed, relative to the notebook's folder; the ending is added if it is missing."""
    if not text.strip():
        raise WorkbenchError(f"the file needs a name: write one, as in my{ending}")
    name = text.strip()
    return user_file(name if name.lower().endswith(ending) else name + ending, "the file")


class Runs(NamedTuple):
    """All runs, the chosen ones (at most two), and the difference of two."""

    table: pd.DataFrame
    chosen: list[store.Run]
    difference: store.RunDifference | None


class History(Panel[tuple[str, ...], Runs]):
    """The runs of this cache, any two of them compared; the session and a report can be saved."""

    lane, phase, delay = "history", "Reading the history", 0.0

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.chosen: tuple[str, ...] = ()  # ids of at most two runs, in the order they were picked
        self.listed = Table(columns=run_tables.LISTED, label="Runs")
        self.listed.empty = "Nothing is evaluated yet: choose a pipeline and press Run."
        self.about = Text(lines=[line(_HINT, "note")])
        self.reopen = W.Button(description="Reopen", disabled=True)
        self.measures = Table(columns=[column("name", "Measure"), *run_tables.PAIRED], label="Measures")
        self.queries = Table(columns=[column("name", "Query"), *run_tables.PAIRED], label="AP of each query")
        self.tables = _row("wb-two", self.measures, self.queries)
        self.session_file = W.Text(value="session.json", description="Session file", continuous_update=False)
        self.report_file = W.Text(value="report.html", description="Report file", continuous_update=False)
        self.buttons = {
            name: FieldButton(description=name, tooltip=tooltip, fields=[field])
            for name, field, tooltip in (
                (
                    "Save session",
                    self.session_file,
                    "Write the query, the pipelines and the selection to the session file",
                ),
                ("Open session", self.session_file, "Restore the state of the session file"),
                (
                    "Save report",
                    self.report_file,
                    "Write one page on the compared pipelines, or else on the current one",
                ),
            )
        }
        save, open_, report = self.buttons.values()
        self.report_link = PageLink()
        files = _row("wb-files", self.session_file, save, open_, self.report_file, report, self.report_link)
        self.widget = region(
            "History", self.listed, _row("wb-chosen", self.about, self.reopen), self.tables, files
        )
        self.listed.on_pick(session.guard(self.pick))
        self.queries.on_pick(session.guard(self.open_query))
        self.reopen.on_click(session.guard(self.open_runs))
        save.on_click(session.guard(self.save))
        open_.on_click(session.guard(self.restore))
        report.on_click(session.guard(self.report))
        self.watch_folding()
        session.observe(session.guard(self.refresh), ["evaluation", "evaluations"])
        self._show(None)
        self.refresh()

    def refresh(self, _: object = None) -> None:
        self.forget()  # runs may have been added
        super().refresh()

    def pick(self, run: str) -> None:
        """Choose a run, or release it if it is chosen; a third run replaces the first."""
        kept = tuple(name for name in self.chosen if name != run)
        self.chosen = kept if run in self.chosen else (*kept, run)[-2:]
        self.listed.chosen = [*self.chosen]
        self.refresh()

    def open_query(self, query: str) -> None:
        """Choose a query of the table of differences."""
        if query not in self.session.queries:
            name = self.session.bench.collection.name
            raise WorkbenchError(f"the query {query!r} is not in {name!r}; open the run's own collection")
        self.session.choose(query)

    def open_runs(self, _: object) -> None:
        """Make the chosen run's pipeline the current one; two runs are compared."""
        session, cache = self.session, self.session.bench.options.cache
        chosen = [store.load(cache, name) for name in self.chosen]
        pipelines = [run.pipeline for run in chosen]
        if len(chosen) == 2:
            session.compare(*pipelines)
            session.a, session.b = pipelines
        for pipeline in pipelines[-1:]:
            session.pipeline = pipeline
        mine = session.bench.collection.name
        if others := {run.collection for run in chosen} - {mine}:
            session.tell(f"The run is of {min(others)!r}; here its pipeline works on {mine!r}.", self.lane)

    def save(self, _: object) -> None:
        path = file_named(self.session_file.value, ".json")
        session_file.save(self.session, path)
        self.session.tell(f"The session is saved in {path}.", self.lane)

    def restore(self, _: object) -> None:
        path = file_named(self.session_file.value, ".json")
        lost = session_file.restore(self.session, path)
        if lost:
            self.session.fail(f"Not all of {path} could be restored: {'; '.join(lost)}.", self.lane)
        else:
            self.session.tell(f"The session is as it was saved in {path}.", self.lane)

    def report(self, _: object) -> None:
        """Write the report in a worker."""
        path = file_named(self.report_file.value, ".html")
        session = self.session
        pipelines = tuple(p for p in session.compared if p not in session.example) or (session.pipeline,)

        def work(progress: Progress) -> None:
            report_page.write_report(session.bench, pipelines, path, progress)
            self.report_link.show(path)
            size = path.stat().st_size / 1e6
            count = "1 pipeline" if len(pipelines) == 1 else f"{len(pipelines)} pipelines"
            session.tell(f"The report on {count} is saved in {path} ({size:.1f} MB).", REPORT)

        session.run(REPORT, work)

    def request(self) -> tuple[str, ...]:
        return self.chosen

    def compute(self, request: tuple[str, ...], progress: Progress) -> Runs:
        cache = self.session.bench.options.cache
        table = store.list_runs(cache)
        chosen = [store.load(cache, name) for name in request]
        return Runs(table, chosen, store.diff(*chosen) if len(chosen) == 2 else None)

    def render(self, result: Runs) -> None:
        table, chosen, difference = result
        self.listed.rows = [run_tables.row(run) for run in table.head(SHOWN).itertuples()]
        self._show(difference)
        if difference:
            self.about.lines = run_tables.in_words(difference)
        else:
            self.about.lines = run_tables.made_by(chosen[0]) if chosen else self._hint(len(table))
        damaged = [line(note, "warning") for note in store.damage_notes(table)]
        self.about.lines = [*self.about.lines, *damaged]

    def _hint(self, count: int) -> list[Line]:
        if count <= SHOWN:
            return [line(_HINT, "note")] if count else []
        return [line(f"{_HINT} These are the newest {SHOWN} of {count:,}.", "note")]

    def _show(self, difference: store.RunDifference | None) -> None:
        self.tables.layout.display = "grid" if difference else "none"
        self.measures.rows = run_tables.paired(_worded(difference.metrics)) if difference else []
        self.queries.rows = run_tables.paired(difference.per_query.head(_QUERIES)) if difference else []
        self.reopen.disabled = not self.chosen
        self.reopen.description = "Reopen both" if len(self.chosen) == 2 else "Reopen"


def _worded(metrics: pd.DataFrame) -> pd.DataFrame:
    return metrics.assign(measure=metrics["measure"].str.replace("_", " "))


def _row(kind: str, *children: W.Widget) -> W.Box:
    box = W.Box(children)
    box.add_class(kind)
    return box
