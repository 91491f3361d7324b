"""A figure of each module of ``workbench/figures`` in which every name is hostile, for ``test_names``.

A new module of figures adds a line to SAMPLES: its name, and a function that returns its figure, of results
made by hand in milliseconds, with the names of HOSTILE wherever a file, label, query or pipeline is named.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tests.support.activations import ramp_activations, ramp_components
from tests.support.alignments import alignment_of, copies_judged
from tests.support.evaluations import evaluation_of
from tests.support.events import events_of, recounting_of
from tests.support.explanations import (
    combined_explained,
    confused,
    correlated,
    evidence,
    explained,
    text_explained,
)
from tests.support.maps import comparison_of, map_of
from tests.support.matches import shifted_match
from tests.support.moments import moments_of
from tests.support.patch_batches import mined_batch
from tests.support.studies import (
    budget_of,
    cells_of,
    factors_of,
    measures_of,
    recall_of,
    reranked,
    scores_of,
    sweep_of,
    tradeoff_of,
)
from tests.support.summaries import summary_of
from workbench.analysis.binary_codes import BinaryCodeStudy
from workbench.analysis.embedding_map import EmbeddingMap
from workbench.analysis.index_tradeoff import IndexMeasures
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Comparison
from workbench.figures.ap_differences import ap_differences
from workbench.figures.cell_sizes import cell_sizes
from workbench.figures.mean_aps import mean_aps
from workbench.figures.precision_recall import precision_recall
from workbench.figures.regions import regions
from workbench.learning.history import TrainingHistory
from workbench.learning.trainer import Epoch

HOSTILE = (
    "<img src=x onerror=alert(1)>.jpg",
    "<a href='https://example.org'>link</a>",
    "<b>bold</b>",
    "$x^2$",
    "%{x} %{customdata}",
    "&lt;i&gt;&amp;",
    "\u202egpj.exe",
    "=1+2",
)
RMAC = f"file:{HOSTILE[2]}.safetensors/max/rmac:2"


def evaluation(
    pipeline: str = HOSTILE[0], collection: str = HOSTILE[1], queries: tuple[str, ...] = HOSTILE
) -> Evaluation:
    """An evaluation of hand-made numbers, with any names."""
    aps = np.linspace(0.2, 0.9, len(queries))
    return evaluation_of(pipeline, dict(zip(queries, aps, strict=True)), collection=collection)


def bits() -> BinaryCodeStudy:
    """A study of codes of an index with a hostile name."""
    row = {"cosine": [0.5], "pairs": [3], "expected": [21.3], "differing": [20.0], "deviation": [1.0]}
    return BinaryCodeStudy(HOSTILE[0], 64, 3, 0.5, 3.0, pd.DataFrame(row))


def hostile_map() -> EmbeddingMap:
    """A map of images, a collection and a pipeline with hostile names."""
    frame = map_of(len(HOSTILE), collection=HOSTILE[0], pipeline=HOSTILE[1])
    frame["image_id"] = list(HOSTILE)
    return frame


SAMPLES: dict[str, Callable[[], go.Figure]] = {  # in the order of the alphabet
    "activations": lambda: ramp_activations(HOSTILE[0], RMAC, HOSTILE[1]).figure(),
    "ap_differences": lambda: ap_differences(
        Comparison([evaluation(f"{HOSTILE[0]}/{pooling}/whole") for pooling in ("max", "mean")])
    ),
    "ap_factors": lambda: factors_of(
        [0.5, 0.2], HOSTILE[2], HOSTILE[1], names=HOSTILE, visible=[0.3, 0.4]
    ).figure(),
    "binary_codes": lambda: bits().figure(),
    "budget": lambda: budget_of(
        [("JPEG", HOSTILE[0], 9e3, 0), ("vector", HOSTILE[1], 512, 0), ("on the phone", HOSTILE[2], 0, 8)],
        collection=HOSTILE[3],
        pipeline=HOSTILE[4],
        left_out={HOSTILE[5]: HOSTILE[0]},
    ).figure(),
    "cell_sizes": lambda: cell_sizes(cells_of([3, 1], probed=1), HOSTILE[0]),
    "combined_explanation": lambda: combined_explained([0.5, -0.2], HOSTILE[:5]).figure(),
    "confusion": lambda: confused(list(pairwise(HOSTILE)), HOSTILE[0], HOSTILE[1]).figure(),
    "components": lambda: ramp_components(*HOSTILE[:4]).figure(),
    "contributions": lambda: evidence(HOSTILE[:3]).waterfall(),
    "cooccurrence": lambda: correlated(HOSTILE[0], HOSTILE[1]).figure(),
    "events": lambda: events_of(HOSTILE, *HOSTILE[:3], with_events=len(HOSTILE)).figure(),
    "copy_evaluation": lambda: copies_judged(HOSTILE[:2], HOSTILE[2], HOSTILE[3]).figure(),
    "explanation": lambda: explained([[0.1, 0.2]], names=HOSTILE[:4]).figure(),
    "frame_alignment": lambda: alignment_of(*HOSTILE[:2], pipeline=HOSTILE[2]).figure(),
    "match": lambda: shifted_match(20, names=HOSTILE[:2]).figure(),
    "mean_aps": lambda: mean_aps([evaluation(name) for name in HOSTILE]),
    "moment_aps": lambda: moments_of(
        dict.fromkeys(HOSTILE, (0.5, 0.6, 0.1)), HOSTILE[0], HOSTILE[1]
    ).figure(),
    "patch_batch": lambda: mined_batch(*HOSTILE[:3]).figure(),
    "embedding": lambda: hostile_map().figure(dict(zip(HOSTILE, HOSTILE, strict=True))),
    "embedding_comparison": lambda: comparison_of(
        hostile_map(), hostile_map(), [0.5] * len(HOSTILE)
    ).figure(),
    "reranking": lambda: reranked(
        HOSTILE[:3], collection=HOSTILE[3], pipeline=HOSTILE[4], names=HOSTILE[:4]
    ).figure(),
    "precision_recall": lambda: precision_recall([evaluation(name) for name in HOSTILE]),
    "recounting": lambda: recounting_of(HOSTILE[:3], *HOSTILE[:3]).figure(),
    "region_recall": lambda: recall_of(HOSTILE[0], HOSTILE[1]).figure(),
    "regions": lambda: regions([ramp_activations(name, RMAC, name) for name in HOSTILE]),
    "score_histogram": lambda: scores_of([0.5], [0.1], [0.2], HOSTILE[0], HOSTILE[1]).figure(),
    "spectrum": lambda: correlated(HOSTILE[0], HOSTILE[1]).spectrum_figure(),
    "summary": lambda: summary_of(HOSTILE, HOSTILE[0], HOSTILE[1]).figure(),
    "sweep": lambda: sweep_of(
        {name: {"<b>{x}": name, "$y$": 1} for name in HOSTILE},
        {name: [0.2, 0.4] for name in HOSTILE},
        HOSTILE[0],
        dict.fromkeys(HOSTILE, HOSTILE[0]),
        HOSTILE[1],
    ).figure(),
    "text_explanation": lambda: text_explained(HOSTILE[:4], HOSTILE[4], HOSTILE[0]).figure(HOSTILE[1]),
    "tradeoff": lambda: tradeoff_of(
        [measures_of("ivf:8,pq:4", 0.5, 4), IndexMeasures(HOSTILE[0], error=HOSTILE[1])],
        HOSTILE[2],
        HOSTILE[3],
    ).figure(),
    "training": lambda: TrainingHistory(HOSTILE[0], (Epoch(1, 0.5, {}),), 2, HOSTILE[1]).figure(),
}
