"""How the workbench is arranged on the screen: sizes and chosen tabs, kept in the cache folder."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.common.files import replacing
from workbench.common.text import parse_json
from workbench.config.errors import WorkbenchError


def arrangement(cache: Path) -> dict[str, int]:
    """The kept numbers by name: pixels of a part, or the number of a tab. Empty if there are none."""
    try:
        content = parse_json(_path(cache).read_text(encoding="utf-8"))
    except (OSError, ValueError, WorkbenchError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: value for name, value in content.items() if type(value) is int and 0 <= value < 100_000}


def keep(cache: Path, name: str, value: int) -> None:
    """Keep one number; nothing happens if the folder cannot be written to."""
    content = {**arrangement(cache), name: value}
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with replacing(_path(cache)) as part:
            part.write_text(json.dumps(content, indent=1), encoding="utf-8")
    except OSError:
        return


def _path(cache: Path) -> Path:
    return cache / "arrangement.json"
