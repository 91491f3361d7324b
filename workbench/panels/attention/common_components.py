"""The second picture of the attention panel, and the controls of the components of both."""

from __future__ import annotations

import ipywidgets as W

from workbench.collections.uploads import display_name
from workbench.config.config import Config
from workbench.explain.components import COLOURED, KEPT, Basis, shares_text
from workbench.panels.attention.model import AttentionView, Request
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.lightbox import reference
from workbench.panels.widgets.name_field import NameField

FOLLOWED = ""  # the second image follows the session: the result of the query, or else the query
KEEP = "Keep the components and colours of these two images while others are shown"


class CommonComponents:
    """Both pictures in the components of their cells; a lock keeps those of two images for others."""

    def __init__(self, view: HeatView) -> None:
        self._view = view
        self._kept: tuple[tuple[str, str], Basis, str] | None = None  # layer, basis, names of its images
        self._seen: AttentionView | None = None
        self.second = HeatView(look="picture")
        self.image = NameField("Second image", [("the result or query", FOLLOWED)])
        choices = [(f"{n} to {n + COLOURED - 1}", n) for n in range(1, KEPT - COLOURED + 2)]
        self.which = W.Dropdown(description="Components", options=choices)
        self.lock = W.ToggleButton(description="Keep colours", tooltip=KEEP)
        self.controls = (self.which, self.lock)
        for trait in ("opacity", "smooth"):
            W.jslink((view, trait), (self.second, trait))

    def of(self, request: Request) -> Request:
        """The request for components, in the kept ones if they are those of its layer."""
        kept = self._kept if self.lock.value else None
        if kept is not None and kept[0] != _layer(request):
            self.lock.value = False
            kept = None
        return request._replace(components=True, basis=kept[1] if kept else None)

    def hold(self, _: object) -> None:
        """Keep the components that are shown, or no longer keep them."""
        seen = self._seen
        self._kept = None
        if self.lock.value and seen is not None and seen.components is not None:
            names = " and ".join(display_name(name) for name in (seen.request.image, seen.request.other))
            self._kept = _layer(seen.request), seen.components.basis, names

    def show(self, seen: AttentionView) -> bool:
        """Show both pictures in their components; False if it has none."""
        self._seen, components, request = seen, seen.components, seen.request
        if components is None:
            return False
        first, second = components.colours(self.which.value)
        legend = shares_text(components.shares, self.which.value)
        if request.basis is not None and self._kept is not None:
            legend += f"; components of {self._kept[2]}"
        self._view.show(rgb=first, quantity=legend)
        name = display_name(request.other)
        self.second.show(
            rgb=second,
            picture=seen.second,
            name=name,
            opens=reference(request.other, request.other_box),
            alt=f"{name}, in the principal components of both images",
            note="{2} × {1} cells".format(*components.values[1].shape),
            stale=False,
        )
        return True


def _layer(request: Request) -> tuple[str, str]:
    """The backbone and the layer of the maps of a request."""
    return Config.parse(request.pipeline).backbone, request.layer
