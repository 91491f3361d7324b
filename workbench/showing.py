"""A bench on screen: each of its panels, and all of them."""

from __future__ import annotations

from typing import Any


class Showing:
    """The panels of what inherits this; they are linked, whichever cells they stand in."""

    def show(self) -> Any:
        """The whole workbench as widgets."""
        return self._panel("show")

    def query_panel(self) -> Any:
        """Configuration, query and ranked results with the pipeline's mAP."""
        return self._panel("query_panel")

    def attention_panel(self) -> Any:
        """Where the network looks in an image: activations, regions, priors, and what a region finds."""
        return self._panel("attention_panel")

    def explanation_panel(self) -> Any:
        """A score taken apart over the query and the result beside it."""
        return self._panel("explanation_panel")

    def local_panel(self) -> Any:
        """Keypoints of query and result: matches, patches, shared words, verification, HardNet's sampling."""
        return self._panel("local_panel")

    def classes_panel(self) -> Any:
        """The query answered as a class and as a ranking at once, and which regions voted for what."""
        return self._panel("classes_panel")

    def proposals_panel(self) -> Any:
        """Region proposals as they sharpen with training, and how many it takes beside grids."""
        return self._panel("proposals_panel")

    def compare_panel(self) -> Any:
        """Pipelines side by side: measures, differences per query, curves, grid search."""
        return self._panel("compare_panel")

    def map_panel(self) -> Any:
        """The collection as a map of its descriptors."""
        return self._panel("map_panel")

    def tradeoff_panel(self) -> Any:
        """Indexes beside exact search: what each gives up, what it saves, and what is inside."""
        return self._panel("tradeoff_panel")

    def training_panel(self) -> Any:
        """Fine-tuning and regional attention, trained while one looks on, and what changes by them."""
        return self._panel("training_panel")

    def history_panel(self) -> Any:
        """What was evaluated before; sessions and reports to save."""
        return self._panel("history_panel")

    def _panel(self, name: str) -> Any:
        from workbench.panels import layout

        return getattr(layout, name)(self)
