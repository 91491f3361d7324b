"""Strings of indexes such as ``ivf:64,pq:16``: their steps, and what of them can change after training."""

from __future__ import annotations

from workbench.config.errors import WorkbenchError
from workbench.config.steps import INDEX_STEPS, SUGGESTING, Step, parse_index


def valid_index_steps(index: str) -> tuple[Step, ...]:
    """The steps of an index string. Raises WorkbenchError if it is invalid or holds other steps too."""
    names = [word.partition(":")[0].strip() for word in index.split(",")]
    if "/" in index or not set(names) <= set(INDEX_STEPS):
        raise WorkbenchError(
            f"{index!r} is not an index; valid: exact, ivf:64, pq:16, ivf:64,pq:16 and so on"
        )
    return parse_index(index)


def training_key(index: str) -> str:
    """The parameters of an index that its training depends on: all except how much it probes."""
    steps = valid_index_steps(index)
    return ",".join(f"{s.name}:{s.args[0]:g}" if s.name in SUGGESTING else str(s) for s in steps)


def probes(index: str) -> float | None:
    """The probes (cells or candidates) of an index; None if it has none."""
    return next((step.args[1] for step in valid_index_steps(index) if step.name in SUGGESTING), None)
