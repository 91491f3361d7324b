"""The measures of one query's ranking, without the tables of ``protocols.evaluate``."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.collections.protocols import Protocol
from workbench.evaluation.measures import measures
from workbench.evaluation.positives import PositiveRanks


def average_precisions(positives: Mapping[str, PositiveRanks], protocol: Protocol) -> dict[str, float]:
    """The AP by the protocol (``ap``), and in each setting if there are several (``ap_easy`` …).

    ``positives`` are the ranks of the query's positives in each setting.
    """
    values = measures(positives, protocol)
    if len(protocol.settings) == 1:
        return {"ap": values["mAP"]}
    settings = {f"ap_{setting}": values[f"mAP_{setting}"] for setting in protocol.settings}
    return {"ap": values[f"mAP_{protocol.headline}"], **settings}
