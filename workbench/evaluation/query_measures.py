"""The measures of one query's ranking, without the tables of ``protocols.evaluate``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.collections.protocols import Protocol
from workbench.evaluation.grades import Graded
from workbench.evaluation.measures import measures
from workbench.evaluation.positives import count_positives, rank_positives
from workbench.search.ranking import Ranking


def average_precisions(
    ranked: Ranking | NDArray[np.float32], graded: Graded, protocol: Protocol, query: str
) -> dict[str, float]:
    """The AP by the protocol (``ap``), and in each setting if there are several (``ap_easy`` …).

    ``ranked`` is the whole ranking, or the unsorted scores [N] of the database; ``graded`` are its rows.
    """
    if isinstance(ranked, Ranking):
        positives = rank_positives(ranked.rows, graded, protocol, query, ranked.scores)
    else:
        positives = count_positives(ranked, graded, protocol)
    values = measures(positives, protocol)
    if len(protocol.settings) == 1:
        return {"ap": values["mAP"]}
    settings = {f"ap_{setting}": values[f"mAP_{setting}"] for setting in protocol.settings}
    return {"ap": values[f"mAP_{protocol.headline}"], **settings}
