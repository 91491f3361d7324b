"""A select of names, which may be longer than the select is wide."""

from __future__ import annotations

from typing import Any

import ipywidgets as W


def name_select(description: str, **traits: Any) -> W.Dropdown:
    """A select whose chosen name is shown in full on hovering."""
    select = W.Dropdown(description=description, **traits)

    def entitle(_: object = None) -> None:
        select.tooltip = select.label or description

    select.observe(entitle, "label")
    entitle()
    return select
