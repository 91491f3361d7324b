"""How the parts of the workbench stand together on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as W

from workbench.panels.ahead import Ahead
from workbench.panels.attention import Attention
from workbench.panels.classes import Classes
from workbench.panels.comparison import Comparison
from workbench.panels.configuration import Configuration
from workbench.panels.embedding_map import EmbeddingMap
from workbench.panels.explanation import Explanation
from workbench.panels.history import History
from workbench.panels.local_matches import LocalMatches
from workbench.panels.messages import Messages
from workbench.panels.proposing import Proposing
from workbench.panels.query import QueryPicker
from workbench.panels.results import Results
from workbench.panels.session import Session, session_of
from workbench.panels.tradeoff import TradeoffPanel
from workbench.panels.training import TrainingPanel

if TYPE_CHECKING:
    from workbench.pipeline import Workbench


FOLDED = (
    "Local matches",
    "Classes",
    "Index trade-off",
    "Training",
    "Proposals",
)  # parts of the whole workbench that are not seen at first


def query_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """Configuration, query, ranked results and messages; linked to the bench's other panels."""
    session = session or session_of(bench)
    body = W.Box([QueryPicker(session).widget, Results(session).widget])
    body.add_class("wb-body")
    return _panel(session, Configuration(session).widget, body)


def attention_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """Where the network looks in an image, and what its regions find."""
    session = session or session_of(bench)
    return _panel(session, Attention(session).widget)


def compare_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """Pipelines side by side: measures, differences per query, curves and a grid search."""
    session = session or session_of(bench)
    return _panel(session, Comparison(session).widget)


def explanation_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """Why an image was ranked where it was, and why before another."""
    session = session or session_of(bench)
    return _panel(session, Explanation(session).widget)


def local_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """Keypoints of the query and a result, what matches, and what verification does to the ranking."""
    session = session or session_of(bench)
    return _panel(session, LocalMatches(session).widget)


def classes_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """The query answered by ONE, as a class and as a ranking, and which regions voted for what."""
    session = session or session_of(bench)
    return _panel(session, Classes(session).widget)


def map_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """The collection as a map of its descriptors."""
    session = session or session_of(bench)
    return _panel(session, EmbeddingMap(session).widget)


def history_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """What was evaluated before; the session and a report to save."""
    session = session or session_of(bench)
    return _panel(session, History(session).widget)


def tradeoff_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """Indexes beside exact search: recall, mAP lost, bytes and time, and what is inside an index."""
    session = session or session_of(bench)
    return _panel(session, TradeoffPanel(session).widget)


def training_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """Training on the collection, live, and rankings and heat before it and after."""
    session = session or session_of(bench)
    return _panel(session, TrainingPanel(session).widget)


def proposals_panel(bench: Workbench, session: Session | None = None) -> W.VBox:
    """Region proposals as they sharpen with training, and how many it takes beside grids."""
    session = session or session_of(bench)
    return _panel(session, Proposing(session).widget)


def show(bench: Workbench, session: Session | None = None) -> W.VBox:
    """The whole workbench: every panel, each of which may be folded away."""
    session = session or session_of(bench)
    parts = {
        "Query": QueryPicker(session).widget,
        "Results": Results(session).widget,
        "Explanation": Explanation(session).widget,
        "Attention": Attention(session).widget,
        "Local matches": LocalMatches(session).widget,
        "Classes": Classes(session).widget,
        "Comparison": Comparison(session).widget,
        "Embedding map": EmbeddingMap(session).widget,
        "Index trade-off": TradeoffPanel(session).widget,
        "History": History(session).widget,
        "Training": TrainingPanel(session).widget,
        "Proposals": Proposing(session).widget,
    }
    body = W.Box(list(parts.values()))
    body.add_class("wb-body")
    body.add_class("wb-all")
    switches = W.Box([_switch(session, name, part) for name, part in parts.items()])
    switches.add_class("wb-switches")
    return _panel(session, Configuration(session).widget, switches, body)


def _switch(session: Session, name: str, part: W.Widget) -> W.ToggleButton:
    """A button that folds a part away and brings it back."""
    button = W.ToggleButton(value=True, description=name, tooltip=f"Show or hide {name}")

    def fold(change: Any) -> None:
        part.layout.display = "" if change["new"] else "none"

    button.observe(session.guard(fold), "value")
    button.value = name not in FOLDED
    return button


def _panel(session: Session, *parts: W.Widget) -> W.VBox:
    """Parts that stand in one cell, over what is said of their work."""
    messages = Messages(session)
    panel = W.VBox([*parts, messages.widget])
    panel.add_class("wb-panel")
    messages.message.on_msg(lambda *_: _tell_again(panel))
    if session.ranking is None:
        session.refresh()
    session.ahead = session.ahead or Ahead(session)
    return panel


def _tell_again(part: W.Widget) -> None:
    """Send what is shown in a part once more.

    A page that is loaded while work goes on asks for all states and only then listens to changes (Voila, and
    JupyterLab on reloading): what changed in between would be missing until it changes again.
    """
    for child in getattr(part, "children", ()):
        _tell_again(child)
    part.layout.send_state(["display", "visibility"])
    part.send_state(set(part.keys) - {"_esm", "_css"})
