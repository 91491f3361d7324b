"""The measures of one query's ranking, without the tables of ``protocols.evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.collections.protocols import Protocol
from workbench.evaluation.grades import Graded, image_grades
from workbench.evaluation.measures import measures
from workbench.evaluation.positives import rank_positives
from workbench.search.ranking import Ranking


def average_precisions(
    ranking: Ranking, truth: Mapping[Any, Any], protocol: Protocol, query: str
) -> dict[str, float]:
    """The AP by the protocol (``ap``), and in each setting if there are several (``ap_easy`` …).

    ``truth`` grades rows of the database; arguments and results are as in ``protocols.evaluate``.
    """
    graded = Graded.of(image_grades(truth, protocol, query))
    values = measures(rank_positives(ranking.rows, graded, protocol, query, ranking.scores), protocol)
    if len(protocol.settings) == 1:
        return {"ap": values["mAP"]}
    settings = {f"ap_{setting}": values[f"mAP_{setting}"] for setting in protocol.settings}
    return {"ap": values[f"mAP_{protocol.headline}"], **settings}
