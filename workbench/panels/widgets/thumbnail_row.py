"""Small pictures in a row; a click removes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.common.progress import Progress
from workbench.panels.jobs import JobRunner

_STATIC = Path(__file__).parents[1] / "static"
Token = dict[str, Any]


class Tokens(anywidget.AnyWidget):
    """Pictures as buttons. A token is a dict of ``id``, ``name`` and ``picture`` (JPEG bytes).

    It may have a ``sign``, and a ``kind`` (``liked`` or ``disliked``) for its colour.
    """

    _esm = _STATIC / "thumbnail_row.js"
    _css = _STATIC / "thumbnail_row.css"
    tokens = T.List(T.Dict()).tag(sync=True)
    label = T.Unicode().tag(sync=True)  # for screen readers

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.runner = JobRunner()

    def on_remove(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of the token to remove."""
        self.on_msg(lambda _widget, content, _buffers: handler(str(content["remove"])))

    def load(self, tokens: Callable[[], Iterable[Token]]) -> None:
        """Compute the tokens in a worker and show them; the newest call wins."""

        def work(progress: Progress) -> None:
            loaded = list(tokens())
            progress("Loading pictures", len(loaded), 0)
            self.tokens = loaded

        self.runner.submit(work)
