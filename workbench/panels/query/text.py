"""The query as text: a field for words, and the whole query as a line of the query language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.config.errors import WorkbenchError
from workbench.panels.combined_query import change_search, current_query, join_query, start_search
from workbench.panels.refinement import STATE
from workbench.panels.session import Session
from workbench.panels.widgets.query_field import QueryField
from workbench.query.query import Leaf, Query

LINE = (
    'The whole query as one line, such as image:p04 + 0.5 text:"at night"; Enter searches, Escape takes back'
)


class QueryText:
    """The fields ``Words`` and ``Whole query``; ``joins`` tells whether words join the query."""

    def __init__(self, session: Session, joins: Callable[[], bool]) -> None:
        self.session, self.joins = session, joins
        self.words = QueryField(
            label="Words",
            placeholder="such as: a red car",
            hint="What you look for, in words; Enter searches",
        )
        self.whole = QueryField(label="Whole query", code=True, hint=LINE)
        self.words.on_enter(session.guard(self.search))
        self.whole.on_enter(session.guard(self.change))
        session.observe(session.guard(self.show), STATE)
        self.show(None)

    def search(self, text: str) -> None:
        """Search for words, or add them to the query while ``Add to query`` is pressed."""
        query = self._read(self.words, Query.text, text)
        if query is not None:
            (join_query if self.joins() else start_search)(self.session, query)
            self.session.refresh(delay=0)  # nobody types on after Enter

    def change(self, line: str) -> None:
        """The whole query was edited."""
        query = self._read(self.whole, Query.parse, line)
        if query is not None:
            change_search(self.session, query)

    def show(self, _: object) -> None:
        """Show the session's query."""
        query = current_query(self.session)
        self.whole.value = "" if query is None else str(query)
        self.words.error = self.whole.error = {}
        if isinstance(query, Leaf) and query.part.kind == "text":
            self.words.value = query.part.value

    def _read(self, field: QueryField, read: Callable[[str], Query], text: str) -> Query | None:
        """The query of a text, None if it has an error, which is shown below its field."""
        error: dict[str, Any] = {}
        query = None
        try:
            query = read(text)
        except WorkbenchError as fault:
            error = {"sentence": getattr(fault, "sentence", str(fault))}
            if hasattr(fault, "position"):
                error |= {"line": text, "position": fault.position}
        field.error = error
        return query
