"""The metadata of a file with weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from workbench.common.damage import DAMAGE


def weight_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a safetensors file, parsed as JSON where possible; empty if the file is damaged."""
    try:
        with safe_open(str(path), framework="pt") as file:
            texts = file.metadata() or {}
    except DAMAGE:
        return {}
    metadata: dict[str, Any] = {}
    for key, text in texts.items():
        try:
            metadata[key] = json.loads(text)
        except (ValueError, RecursionError):
            metadata[key] = text
    return metadata
