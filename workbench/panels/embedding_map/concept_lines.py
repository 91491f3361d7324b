"""The concepts of the selected images of a map, and of its clusters, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import ipywidgets as W
import pandas as pd

from workbench.analysis.concepts import concept_list
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.features.backbones import BackboneSpec
from workbench.panels.base import Panel
from workbench.panels.embedding_map.colouring import CLUSTER
from workbench.panels.widgets.region import Line, Text, line
from workbench.text.classifier import BACKBONE

if TYPE_CHECKING:
    from workbench.panels.embedding_map.panel import EmbeddingMap

SELECTED, OF_CLUSTER = 4, 3  # concepts that are named


class ConceptRequest(NamedTuple):
    """The selected images, and the cluster of each image of the map where clusters are shown."""

    selected: tuple[str, ...]
    clusters: tuple[tuple[str, int], ...]


class ConceptLines(Panel[ConceptRequest, list[Line]]):
    """Names the concepts of the selection, and of the clusters while they colour the map.

    It is switched on from the start where the maps that it needs are those of the pipeline.
    """

    lane, phase, delay = "map concepts", "Naming concepts", 0.3

    def __init__(self, panel: EmbeddingMap) -> None:
        super().__init__(panel.session)
        self.panel = panel
        spec = BackboneSpec.parse(Config.parse(self.session.pipeline).backbone)
        self.switch = W.ToggleButton(
            value=spec == BackboneSpec(BACKBONE),
            description="Concepts",
            tooltip="Name what tells the selected images, or those of each cluster, from the others",
        )
        self.text = Text(live=True)

    def follow(self) -> None:
        """Follow the switch, the selection, the colours, and whether the map is on screen."""
        refresh = self.session.guard(self.refresh)
        self.switch.observe(refresh, "value")
        self.session.observe(refresh, "selection")
        self.panel.colour.observe(refresh, "value")
        self.panel.widget.layout.observe(refresh, "display")

    @property
    def folded(self) -> bool:
        return bool(self.panel.widget.layout.display == "none")

    def request(self) -> ConceptRequest | None:
        frame = self.panel.made.frame
        if not self.switch.value or frame.empty:
            return None
        known = self.panel.rows
        selected = tuple(image for image in self.session.selection if image in known)
        coloured = self.panel.colour.value == CLUSTER and self.panel.made.comparison is None
        clusters = tuple(zip(frame["image_id"], frame["cluster"], strict=True)) if coloured else ()
        return ConceptRequest(selected, clusters) if selected or clusters else None

    def compute(self, request: ConceptRequest, progress: Progress) -> list[Line]:
        studies, lines = self.session.bench.studies, list[Line]()
        if request.selected:
            count = len(request.selected)
            of = "the selected image" if count == 1 else f"the {count:,} selected images"
            try:
                table = studies.concepts(request.selected, k=SELECTED, progress=progress)
                lines.append(_line(f"Concepts of {of}", table, SELECTED, "concepts of images"))
            except WorkbenchError as error:  # all images are selected
                lines.append(line(f"{str(error).capitalize()}.", "note"))
        if len({cluster for _, cluster in request.clusters}) > 1:
            frame = pd.DataFrame(request.clusters, columns=["image_id", "cluster"])
            named = studies.cluster_concepts(frame, k=OF_CLUSTER, progress=progress)
            for cluster, images in frame["cluster"].value_counts().sort_index().items():
                table = named[named["cluster"] == cluster]
                words = () if lines else ("concepts of images",)
                lines.append(_line(f"Cluster {cluster} ({images:,})", table, OF_CLUSTER, *words))
        return lines

    def render(self, result: list[Line]) -> None:
        self.text.lines = result

    def render_nothing(self) -> None:
        self.forget()
        self.text.lines = []
        self.dim(False)

    def dim(self, stale: bool) -> None:
        self.text.stale = stale


def _line(of: str, table: pd.DataFrame, most: int, *words: str) -> Line:
    named = concept_list(table, most) or "none is twice as frequent there as elsewhere"
    return line(f"{of}: {named}.", "text", *words)
