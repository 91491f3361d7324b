"""Exact explanation of the score of a text: its parts by concepts, and by cells of the image.

The score is Σ wᵢ rₖ pᵢₖ, with the weight wᵢ of a view i (the whole image and its regions), the weight rₖ of
concept k for the text, and the probability pᵢₖ = exp(zᵢₖ) / Σⱼ exp(zᵢⱼ). Its parts by concepts are the terms
of this sum. A probability is not linear in the map, but its logit zᵢₖ, taken relative to the mean class, is
the mean of the logits of the view's n cells. With pᵢₖ / zᵢₖ held fixed, as the normalisers of poolings are
elsewhere, the probability is linear in the map, and by Euler's theorem cell c has the part
pᵢₖ zₖ(c) / (n zᵢₖ). If pᵢₖ is greater than the chance 1/K, then zᵢₖ > 0, because the mean of the logits,
which is 0, is at most ln(Σⱼ exp(zᵢⱼ) / K). Less probable concepts have no evidence to divide: terms with
pᵢₖ ≤ 2/K are ``constant``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from workbench.collections.named_picture import NamedPicture
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.engine.engine import Engine
from workbench.engine.provenance import warnings
from workbench.engine.vision_language import has_text_encoder, model_notes
from workbench.explain.vision_language import text_heat
from workbench.text.bridge import TextQuery, text_query
from workbench.text.classifier import Classifier, load_classifier, region_probabilities, views
from workbench.text.notes import brief, text_notes

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_LEAST_CHANCE = 2.0  # times the chance 1/K, from which on a probability is divided over cells
_COLUMNS = ["concept", "nearest name", "similarity", "weight", "probability", "contribution"]
_SHOWN = 3  # concepts in the text of an explanation


@dataclass(frozen=True, repr=False)
class TextExplanation(Drawable):
    """The score of an image for a text and its parts.

    ``concepts`` has a row for each concept, the largest contribution first: concept, nearest name, similarity
    (the mean of two cosines, see ``Concepts``), weight (0…1), probability and contribution, their product.
    The contributions sum to ``score``, as ``heatmap`` [H, W] plus ``constant`` does; for a vision–language
    model there are none. ``concept_heatmaps`` are
    the parts of the heatmap by concept. ``warnings``: what must be said of the text.
    """

    text: str
    score: float
    concepts: pd.DataFrame
    heatmap: np.ndarray
    constant: float
    concept_heatmaps: dict[str, np.ndarray] = field(default_factory=dict, compare=False)
    warnings: tuple[str, ...] = ()
    collection: str = ""
    picture: NamedPicture | None = field(default=None, compare=False)

    @property
    def sentence(self) -> str:
        """The sum in a line: ``coffee 0.310 = espresso 0.220 + cup 0.060 + others 0.030``."""
        if self.concepts.empty:
            return f"{printable(self.text)} {self.score:.3f}"
        shown = self.concepts.head(_SHOWN)
        parts = [
            f"{name} {value:.3f}"
            for name, value in zip(shown["concept"], shown["contribution"], strict=True)
            if value >= 5e-4
        ]
        others = self.score - float(shown["contribution"][: len(parts)].sum())
        if others >= 5e-4 or not parts:
            parts.append(f"others {others:.3f}")
        return f"{brief(self.text)} {self.score:.3f} = {' + '.join(parts)}"

    def __repr__(self) -> str:
        """The sum over concepts, and the notes: a few lines."""
        of = f" in {printable(self.picture.name)}" if self.picture else ""
        return "\n".join([f"{self.sentence}{of}", *(f"  note: {warning}" for warning in self.warnings)])

    def heatmap_of(self, concept: str) -> np.ndarray:
        """The heat [H, W] of one concept. Raises WorkbenchError if it is not a concept."""
        if concept not in self.concept_heatmaps:
            names = ", ".join(self.concepts["concept"].head(_SHOWN))
            raise WorkbenchError(f"{printable(concept)!r} is not a concept; the largest here are {names}")
        return self.concept_heatmaps[concept]

    def figure(self, concept: str = "") -> Figure:
        """The picture under its heat, of all concepts or of one, and the concepts that add the most."""
        return draw("text_explanation", self, concept=concept)


def explain_text(
    engine: Engine, config: Config, text: str, image_id: str, progress: Progress = silent
) -> TextExplanation:
    """Split the score of an image for a text over concepts and cells.

    A pipeline of a vision–language model has no concepts: its score is split over cells alone. Raises
    WorkbenchError for an empty text, and if the image is not in the collection.
    """
    if has_text_encoder(config):
        return _without_concepts(engine, config, text, image_id, progress)
    query = text_query(text)
    maps, _ = engine.class_probabilities(progress)
    row = maps.row(image_id)
    name = maps.collection.images[row]
    return split(
        query,
        maps.of(row),
        load_classifier(),
        collection=maps.collection.name,
        picture=NamedPicture(name, maps.collection.path(name)),
    )


def _without_concepts(
    engine: Engine, config: Config, text: str, image_id: str, progress: Progress
) -> TextExplanation:
    score, heat = text_heat(engine, config, text, image_id, progress)
    described = engine.describe(config, progress)
    name = described.collection.images[described.image_row(image_id)]
    notes = [*model_notes(described, text), *warnings(described)]
    if heat.size == 1:
        notes.append(
            "a code is one vector of the whole image, so there is no heat of its cells; mean/whole has one"
        )
    return TextExplanation(
        text,
        score,
        Table(columns=_COLUMNS),
        heat.astype(np.float64),
        score - float(heat.sum(dtype=np.float64)),
        warnings=tuple(notes),
        collection=described.collection.name,
        picture=NamedPicture(name, described.collection.path(name)),
    )


def split(
    query: TextQuery,
    image_map: torch.Tensor,
    classifier: Classifier,
    collection: str = "",
    picture: NamedPicture | None = None,
) -> TextExplanation:
    """Explain the score of a text for an image, by its map [1, C, H, W]."""
    height, width = image_map.shape[2:]
    boxes, view_weights = views(height, width)
    probabilities = region_probabilities(image_map, boxes, classifier)[0].numpy().astype(np.float64)
    with torch.inference_mode():
        cells = classifier.cells(image_map)[0].numpy().astype(np.float64)
    terms = view_weights[:, None] * query.weights * probabilities
    contributions = terms.sum(0)
    divided = probabilities * probabilities.shape[1] > _LEAST_CHANCE
    heats = _concept_heats(np.where(divided, terms, 0.0), cells, boxes)
    table = pd.DataFrame(
        {
            "concept": query.concepts.titles,
            "nearest name": [query.concepts.names[row] for row in query.nearest],
            "similarity": query.similarities,
            "weight": query.weights,
            "probability": view_weights @ probabilities,
            "contribution": contributions,
        }
    )
    order = np.argsort(-contributions, kind="stable")
    return TextExplanation(
        query.text,
        float(contributions.sum()),
        Table(table.iloc[order].reset_index(drop=True)),
        heats.sum(2),
        float(np.where(divided, 0.0, terms).sum()),
        {query.concepts.titles[concept]: heats[:, :, concept] for concept in order},
        tuple(text_notes(query)),
        collection,
        picture,
    )


def _concept_heats(terms: np.ndarray, cells: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Divide terms [R, K] of views, boxes [R, 4], over cells in proportion to their logits [H, W, K]."""
    shares = np.zeros_like(cells)
    for (x0, y0, x1, y1), term in zip(boxes, terms, strict=True):
        inside = cells[y0:y1, x0:x1]
        total = inside.sum((0, 1))
        used = term > 0
        shares[y0:y1, x0:x1, used] += term[used] / total[used]
    return shares * cells
