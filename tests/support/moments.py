"""Evaluations of instance search in videos with given numbers, made without videos."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from workbench.engine.moment_evaluation import MomentEvaluation


def moments_of(
    measures: Mapping[str, tuple[float, float, float]],
    pipeline: str = "net/max/whole",
    collection: str = "reels",
) -> MomentEvaluation:
    """An evaluation with the AP over shots, the AP over videos and the time error of each query by name."""
    values = np.array(list(measures.values())).reshape(-1, 3)
    table = pd.DataFrame(values, columns=["ap_shots", "ap_videos", "time_error"])
    table.insert(0, "query", list(measures))
    table["shots"], table["videos"], table["first_shot"] = 3, 2, 1
    means = table[["ap_shots", "ap_videos", "time_error"]].mean()
    metrics = {
        "mAP_shots": float(means["ap_shots"]),
        "mAP_videos": float(means["ap_videos"]),
        "time_error": float(table["time_error"].median()),
        "time_error_mean": float(means["time_error"]),
        "near": float((table["time_error"] <= 1).mean()),
    }
    return MomentEvaluation(pipeline, collection, "1 a second", 40, 12, 4, metrics, table, ["synthetic <b>"])
