"""Cards: the data, settings and network that trained weights belong to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.features.map_source import MapSource

SHIPPED_WEIGHTS = Path(__file__).parents[1] / "weights"


def source_card(source: MapSource) -> dict[str, str]:
    """Identify the network, its weights, and the layer to which trained weights belong."""
    return {
        "network": source.card.model,
        "weights": source.fingerprint,
        "layer": source.layer or "last",
    }


def card_differences(card: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Describe the entries of a card that differ from those wanted; empty if none does."""
    return "; ".join(
        f"{part} {card.get(part)!r}, not {value!r}"
        for part, value in wanted.items()
        if card.get(part) != value
    )


def trained_path(cache: Path, name: str) -> Path:
    """Return the path of weights trained under a name."""
    return cache / "learned" / f"{name}.safetensors"
