"""The evaluation protocols by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from workbench.config.errors import WorkbenchError


@dataclass(frozen=True)
class Protocol:
    """The protocol by which rankings on a collection are evaluated (see ``evaluation.protocols``).

    ``settings`` maps the name of a setting (``easy``, ``medium``, ``hard``, or ``""`` if there is only
    one) to the relevance grades that count as positive and to those that are ignored, that is, removed
    from the ranking before evaluation. Every other image is a negative.
    """

    name: str
    title: str
    variant: Literal["trapezoid", "sum"]
    settings: Mapping[str, tuple[frozenset[str], frozenset[str]]]
    headline: str = ""  # the setting whose mAP is the collection's mAP
    query_in_database: bool = False  # whether the query's own image stays in its ranking
    crop_queries: bool = False
    measure: Literal["mAP", "N-S"] = "mAP"
    note: str = ""

    def setting(self, name: str = "") -> str:
        """The setting of that name, the headline if it is empty. Raises WorkbenchError if there is none."""
        if name and name not in self.settings:
            valid = ", ".join(filter(None, self.settings)) or "none, as the protocol has only one"
            raise WorkbenchError(f"{name!r} is not a setting of the protocol {self.name!r}; valid: {valid}")
        return name or self.headline


def _setting(positive: str, ignored: str = "") -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(positive.split()), frozenset(ignored.split())


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol(
                "oxford",
                "Oxford5k / Paris6k (Philbin et al. 2007)",
                "trapezoid",
                {"": _setting("good ok", "junk")},
                query_in_database=True,
                crop_queries=True,
                note="positives are good and ok, junk is removed, the query's image stays in the database",
            ),
            Protocol(
                "revisited",
                "Revisited Oxford and Paris (Radenović et al. 2018)",
                "trapezoid",
                {
                    "easy": _setting("easy", "junk hard"),
                    "medium": _setting("easy hard", "junk"),
                    "hard": _setting("hard", "junk easy"),
                },
                headline="medium",
                crop_queries=True,
                note="queries are cropped to their box and are not in the database; "
                "queries without positives are left out of the mean",
            ),
            Protocol(
                "holidays",
                "INRIA Holidays (Jégou et al. 2008)",
                "sum",
                {"": _setting("positive")},
                note="the query is dropped from its own ranking",
            ),
            Protocol(
                "ukbench",
                "UKBench (Nistér and Stewénius 2006)",
                "sum",
                {"": _setting("positive")},
                query_in_database=True,
                measure="N-S",
                note="N-S: mean number of the four views of an object in the top four, the query included",
            ),
            Protocol(
                "labels",
                "Leave one out by label",
                "sum",
                {"": _setting("positive")},
                note="every other image of the query's label is a positive; "
                "the query is dropped from its own ranking",
            ),
        )
    }
)


# The sign of each relevance grade, shown beside its colour.
SIGNS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("easy", "positive", "good", "ok"), "✓"),
        "hard": "✓ʰ",
        "junk": "~",
        "negative": "✗",
        "query": "query",
    }
)
