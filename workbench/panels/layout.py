"""The table of panels, and their layout on the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import ipywidgets as W

from workbench.panels.columns import columns, rows
from workbench.panels.configuration.panel import Configuration
from workbench.panels.large_pictures import LargePictures
from workbench.panels.messages import Messages
from workbench.panels.notes import Notes
from workbench.panels.prefetch import Prefetcher
from workbench.panels.query.panel import QueryPicker
from workbench.panels.results.panel import Results
from workbench.panels.session import Session, session_of
from workbench.panels.tabbed_panels import TabbedPanels

if TYPE_CHECKING:
    from workbench.bench.bench import Bench


class Entry(NamedTuple):
    """A panel: its title on screen, its folder, its class with the ``widget``, and one sentence about it."""

    title: str
    folder: str
    name: str
    about: str
    beside: bool = False  # whether the whole workbench shows it beside the results, not below them
    configured: bool = False  # whether the pipeline is chosen above it where it is shown alone
    compares: bool = False  # whether it has the button ``Add to comparison`` itself

    def build(self, session: Session) -> W.Widget:
        """The widget of the panel, whose module is imported now: a cell is faster without the others."""
        module = import_module(f"workbench.panels.{self.folder}.panel")
        widget: W.Widget = getattr(module, self.name)(session).widget
        return widget


# Single panels by the name of their method of Workbench, in the order of their tabs; new ones go here.
ENTRIES: dict[str, Entry] = {
    "explanation_panel": Entry(
        "Explanation",
        "explanation",
        "Explanation",
        "The score of a result, split into contributions of both images.",
        beside=True,
    ),
    "attention_panel": Entry(
        "Attention",
        "attention",
        "Attention",
        "Where the network responds in an image, and the nearest regions of a region.",
        beside=True,
        configured=True,
    ),
    "local_panel": Entry(
        "Local matches",
        "local_matches",
        "LocalMatches",
        "Keypoints of query and result: matches, patches, shared words, verification, HardNet's batches.",
        beside=True,
        configured=True,
    ),
    "classes_panel": Entry(
        "Classes",
        "classes",
        "Classes",
        "The classes and images nearest to the query by ONE, and the votes.",
        beside=True,
        configured=True,
    ),
    "proposals_panel": Entry(
        "Proposals",
        "proposals",
        "ProposalsPanel",
        "Region proposals by epoch of their training, and their recall beside grids.",
        beside=True,
    ),
    "compare_panel": Entry(
        "Comparison",
        "comparison",
        "Comparison",
        "Pipelines compared: measures, differences by query, curves, grid search.",
        configured=True,
        compares=True,
    ),
    "map_panel": Entry(
        "Embedding map", "embedding_map", "EmbeddingMap", "The collection as a map of its descriptors."
    ),
    "tradeoff_panel": Entry(
        "Index trade-off",
        "index_tradeoff",
        "TradeoffPanel",
        "Indexes compared with exact search by accuracy, memory and time, and their contents.",
        configured=True,
    ),
    "budget_panel": Entry(
        "Phone budget",
        "budget",
        "BudgetPanel",
        "What a query from a phone costs: bytes sent and held, time and mAP of pictures, vectors and codes.",
        configured=True,
    ),
    "reranking_panel": Entry(
        "Re-rankers",
        "reranking",
        "RerankingPanel",
        "Re-rankers on the same first results: gain, time, inliers, and the pairs that each verifies.",
        configured=True,
    ),
    "video_panel": Entry(
        "Video",
        "video",
        "VideoPanel",
        "Videos: a player, timelines of their similarity to the query, shots, alignment and a summary.",
        configured=True,
    ),
    "training_panel": Entry(
        "Training",
        "training",
        "TrainingPanel",
        "Fine-tuning and regional attention, trained live, and the change they make.",
        configured=True,
    ),
    "history_panel": Entry(
        "History", "history", "History", "Earlier evaluations; the session and a report can be saved."
    ),
}


def _show(session: Session) -> W.VBox:
    """The whole workbench: configuration, query and results; the other panels in tabs beside and below."""
    side = _tabs(session, "tabs beside the results", [entry for entry in ENTRIES.values() if entry.beside])
    entries = [entry for entry in ENTRIES.values() if not entry.beside]
    below = _tabs(session, "tabs below the results", entries)
    _count_compared(session, below, [entry.title for entry in entries].index("Comparison"))
    body = rows(
        session,
        columns(session, QueryPicker(session).widget, Results(session).widget, side.widget),
        below.widget,
    )
    panel = _panel(session, Configuration(session).widget, body)
    panel.add_class("wb-workbench")
    return panel


def _tabs(session: Session, name: str, entries: Sequence[Entry]) -> TabbedPanels:
    label = name.capitalize()
    return TabbedPanels(session, name, label, [(entry.title, entry.build) for entry in entries])


def _count_compared(session: Session, tabs: TabbedPanels, index: int) -> None:
    """Write the number of compared pipelines beside the title of their tab."""

    def count(_: object) -> None:
        tabs.note(index, str(len(session.compared) or ""))

    session.observe(session.guard(count), "compared")
    count(None)


def _query_panel(session: Session) -> W.VBox:
    """Configuration, query, ranked results and messages; linked to the bench's other panels."""
    body = columns(session, QueryPicker(session).widget, Results(session).widget)
    return _panel(session, Configuration(session).widget, body)


def _single(entry: Entry) -> Callable[[Session], W.VBox]:
    def build(session: Session) -> W.VBox:
        if not entry.configured:
            return _panel(session, entry.build(session))
        configuration = Configuration(session)
        if entry.compares:
            configuration.add.layout.display = "none"
        return _panel(session, configuration.widget, entry.build(session))

    build.__doc__ = entry.about
    return build


def _panel(session: Session, *parts: W.Widget) -> W.VBox:
    """The parts of one cell: what runs and the notes on the pipeline are below the first."""
    messages = Messages(session)
    first, *others = parts
    large = LargePictures(session).widget
    panel = W.VBox([first, messages.widget, Notes(session).widget, *others, large])
    panel.add_class("wb-panel")
    messages.message.on_msg(lambda *_: _send_again(panel))
    if session.ranking is None:
        session.refresh()
    session.prefetcher = session.prefetcher or Prefetcher(session)
    return panel


def _send_again(part: W.Widget) -> None:
    """Send the state of a part once more.

    A page that is loaded during work first requests all states and only then listens to changes (Voila, and
    JupyterLab on reloading): a change in between would be missing until the next one.
    """
    for child in getattr(part, "children", ()):
        _send_again(child)
    part.layout.send_state(["display", "visibility"])
    part.send_state(set(part.keys) - {"_esm", "_css"})


# What each method of Workbench shows, by its name; the docstrings are those of the methods.
PANELS: dict[str, Callable[[Session], W.VBox]] = {
    "show": _show,
    "query_panel": _query_panel,
    **{name: _single(entry) for name, entry in ENTRIES.items()},
}


def open_panel(name: str, bench: Bench, session: Session | None = None) -> W.VBox:
    """The panel of that name in ``PANELS``, linked to the bench's other panels."""
    return PANELS[name](session or session_of(bench))


show, query_panel = partial(open_panel, "show"), partial(open_panel, "query_panel")


def __getattr__(name: str) -> Callable[..., W.VBox]:
    """Each other name of ``PANELS`` as a function of a bench and, optionally, a session."""
    if name not in PANELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(open_panel, name)
