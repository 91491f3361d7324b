"""The grades of images for a query, from either form of a ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.collections.protocols import PROTOCOLS, Protocol
from workbench.config.errors import WorkbenchError

JUNK = "junk"  # removed under every protocol
SELF = "self"

_GRADES = frozenset().union(
    *(p | i for protocol in PROTOCOLS.values() for p, i in protocol.settings.values())
)


def image_grades(truth: Mapping[Any, Any], protocol: Protocol, query: Any) -> dict[Any, str]:
    """Return {image id: grade} of one query from either form, with grade ``self`` for its own image."""
    valid = frozenset[str]().union(*(p | i for p, i in protocol.settings.values())) | {JUNK}
    query_image = truth.get(SELF)
    entries = [(key, value) for key, value in truth.items() if key != SELF]
    grades: dict[Any, str] = {}
    if all(isinstance(value, str) for _, value in entries):
        grades.update(entries)
    else:
        for key, ids in entries:
            grade = "positive" if key == "positives" else key
            if grade not in valid and grade not in _GRADES:
                continue  # bbx and other published keys
            for image in np.asarray(ids).tolist():
                if grades.setdefault(image, grade) != grade:
                    raise WorkbenchError(
                        f"ground truth of query {query!r}: {image!r} is both {grades[image]} and {grade}; "
                        "each image has one grade"
                    )
    unknown = set(grades.values()) - valid
    if unknown:
        raise WorkbenchError(
            f"ground truth of query {query!r}: grade {min(unknown)!r} has no meaning under the protocol "
            f"{protocol.name!r}; valid: {', '.join(sorted(valid))}"
        )
    if query_image is not None:
        if not protocol.query_in_database:
            grades[query_image] = SELF
        elif protocol.measure == "N-S":
            grades[query_image] = "positive"  # the query counts as one of the four, listed among them or not
    return grades


class Graded(NamedTuple):
    """The graded images of one query: paths or row numbers [g], and the codes [g] of their ``grades``."""

    ids: Sequence[Any] | NDArray[np.int64]
    codes: NDArray[np.int8]
    grades: tuple[str, ...]

    @classmethod
    def of(cls, grades: Mapping[Any, str]) -> Graded:
        """Convert {image id: grade}."""
        names = tuple(dict.fromkeys(grades.values()))
        code_of = {name: code for code, name in enumerate(names)}
        codes = np.fromiter((code_of[grade] for grade in grades.values()), np.int8, len(grades))
        return cls(list(grades), codes, names)

    def among(self, accepted: frozenset[str]) -> NDArray[np.bool_]:
        """Whether each image has one of these grades, bool [g]."""
        if not self.grades:
            return np.empty(0, bool)
        return np.array([name in accepted for name in self.grades])[self.codes]
