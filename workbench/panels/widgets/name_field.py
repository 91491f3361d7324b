"""A field that names an image or a query: a select of a few names, a search field of many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.common.progress import Progress
from workbench.config.printable import printable
from workbench.panels.jobs import JobRunner
from workbench.panels.widgets.name_search import NameSearch

_STATIC = Path(__file__).parents[1] / "static"
FEW = 200  # names that are all options of a select; more are searched
MATCHES = 30  # names that a search offers at once
Option = tuple[str, Any]  # the text that is shown, and the value


class NameField(anywidget.AnyWidget):
    """One name of those of ``offer``, which may be millions, or one of the options ``fixed``.

    Up to FEW names are options of a select. Of more, none is sent unless it is searched for: what is typed is
    matched in the kernel, in a worker, and the best matches are listed. ``value`` is None, a value of
    ``fixed`` or a name; ``label`` is its text. Raises TraitError for another value.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = "\n".join((_STATIC / f"{name}.js").read_text("utf-8") for name in ("element", "name_field"))
    _css = _STATIC / "name_field.css"
    description = T.Unicode().tag(sync=True)
    options: T.List[Any] = T.List().tag(sync=True)  # of the select, or else the fixed ones
    total = T.Int(0).tag(sync=True)  # number of names
    searched = T.Bool(False).tag(sync=True)  # whether it is a search field
    value = T.Any(None, allow_none=True).tag(sync=True)
    label = T.Unicode().tag(sync=True)

    def __init__(self, description: str, fixed: Sequence[Option] = (), **traits: Any) -> None:
        self._fixed = [(printable(text), value) for text, value in fixed]
        self._search = NameSearch((), ())
        self.runner = JobRunner()
        super().__init__(description=description, **traits)
        self.options = [list(option) for option in self._fixed]
        if self._fixed:
            self.value = self._fixed[0][1]
        self.on_msg(self._answer)

    def offer(self, names: NameSearch) -> None:
        """Offer other names. The value stays if it is one of them, else the first fixed option is chosen."""
        if names is self._search:
            return
        self._search = names
        searched = len(names) > FEW
        listed = [] if searched else [(self._text(name), name) for name in names.names]
        with self.hold_sync():  # one message
            self.options = [list(option) for option in (*self._fixed, *listed)]
            self.total, self.searched = len(names), searched
            if not self._known(self.value):
                self.value = self._fixed[0][1] if self._fixed else None

    @T.validate("value")
    def _valid(self, proposal: Any) -> Any:
        if not self._known(proposal["value"]):
            raise T.TraitError(f"{proposal['value']!r} is not a name of the field {self.description!r}")
        return proposal["value"]

    @T.observe("value")
    def _entitle(self, _: object = None) -> None:
        fixed = {value: text for text, value in self._fixed}
        self.label = fixed.get(self.value) or ("" if self.value is None else self._text(self.value))

    def _known(self, value: Any) -> bool:
        fixed = value is None or any(value == other for _, other in self._fixed)
        return fixed or (isinstance(value, str) and value in self._search)

    def _text(self, name: str) -> str:
        return printable(self._search.label(name))

    def _answer(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if "choose" in content and self._known(content["choose"]):  # else it is no longer offered
            self.value = content["choose"]
        if "search" in content:
            self.runner.submit(lambda progress: self._send_matches(content, progress))

    def _send_matches(self, content: dict[str, Any], progress: Progress) -> None:
        names = self._search
        rows = names.rows(str(content["search"]), MATCHES + 1)
        progress("Searching names", 1, 1)  # the last moment at which a newer search can still win
        matches = [[self._text(names.names[row]), names.names[row]] for row in rows[:MATCHES]]
        self.send({"matches": matches, "more": len(rows) > MATCHES, "number": content["number"]})
