"""The images whose neighbours differ most between two pipelines, as pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import ipywidgets as W

from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.region import Text, line

if TYPE_CHECKING:
    from workbench.analysis.embedding_comparison import EmbeddingComparison

SHOWN = 12
SIDE = 96  # of a picture, in pixels


class DifferingImages:
    """A strip of pictures with their agreement; a click makes an image the one under study."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.text = Text()
        self.strip = Grid(label="Images whose neighbours differ most", look="strip", pick=True)
        self.strip.on_pick(lambda image: session.set_trait("image", image))
        self.box = W.VBox([self.text, self.strip])
        self.show(None)

    def show(self, comparison: EmbeddingComparison | None) -> None:
        """Show the images of a comparison; None hides the strip."""
        self.box.layout.display = "none" if comparison is None else ""
        if comparison is None:
            self.text.lines, self.strip.figures = [], []
            return
        said = f"Mean agreement {100 * comparison.mean:.1f} %. The neighbours of these images differ most:"
        self.text.lines = [line(said, "note", "agreement")]
        self.strip.load(lambda: self._figures(comparison))

    def _figures(self, comparison: EmbeddingComparison) -> Iterator[Figure]:
        differing = comparison.differing(SHOWN)
        for image, agreement in zip(differing["image_id"], differing["agreement"], strict=True):
            share = f"{100 * agreement:.0f} %"
            yield {
                "id": image,
                "name": image,
                "alt": f"{image}: {share} of the neighbours in common",
                "score": share,
                "picture": thumbnail(self.session.bench, image, SIDE),
            }
