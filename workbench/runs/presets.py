"""Named pipelines: those of publications, and the user's own in a JSON file."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.common.files import replacing
from workbench.common.text import parse_json
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError

# MAC and R-MAC: Tolias et al. 2016; SPoC: Babenko and Lempitsky 2015; GeM: Radenović et al. 2019;
# CroW: Kalantidis et al. 2016; neural codes: Babenko et al. 2014; bags of words: Sivic and Zisserman 2003,
# ASMK: Tolias et al. 2013; spatial verification: Philbin et al. 2007; query expansion after it: Chum et al.
# 2007.
PUBLISHED_PIPELINES = {
    "MAC": "efficientnet_lite0/max/whole/pcaw:256",
    "SPoC": "efficientnet_lite0/mean/whole/centre/pcaw:256",
    "R-MAC": "efficientnet_lite0/max/rmac:3/pcaw:256",
    "GeM": "efficientnet_lite0/gem:3/whole/pcaw:256",
    "CroW": "efficientnet_lite0/crow/whole/pcaw:256",
    "Neural codes": "efficientnet_lite0/code/whole/pca:256",
    "BoW": "sift/bow:4096/whole",
    "ASMK": "sift/asmk:65536/whole",
    "BoW + SV": "sift/bow:4096/whole/sv:100",
    "BoW + SV + QE": "sift/bow:4096/whole/sv:100/aqe:5",
}


def presets_path(cache: Path) -> Path:
    """The file of the user's pipelines."""
    return cache / "favourites.json"


def named_pipelines(cache: Path) -> dict[str, str]:
    """Name → pipeline, the published ones first. Raises WorkbenchError if the file cannot be read."""
    return {**PUBLISHED_PIPELINES, **_saved(presets_path(cache))}


def save_pipeline(cache: Path, name: str, pipeline: str) -> None:
    """Save a pipeline under a name, replacing the user's pipeline of that name."""
    name = " ".join(name.split())
    if not name:
        raise WorkbenchError("a favourite needs a name; write one beside 'Save'")
    if name in PUBLISHED_PIPELINES:
        raise WorkbenchError(f"{name!r} is the name of a published pipeline; choose another")
    _write(presets_path(cache), {**_saved(presets_path(cache)), name: str(Config.parse(pipeline))})


def delete_pipeline(cache: Path, name: str) -> None:
    """Delete a pipeline of the user. Raises WorkbenchError if there is none of that name."""
    saved = _saved(presets_path(cache))
    if saved.pop(name, None) is None:
        reason = "it is built in" if name in PUBLISHED_PIPELINES else "there is none of that name"
        raise WorkbenchError(f"favourite {name!r} cannot be deleted: {reason}")
    _write(presets_path(cache), saved)


def _saved(path: Path) -> dict[str, str]:
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        return {str(name): str(Config.parse(pipeline)) for name, pipeline in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).split("\n")[0]
        raise WorkbenchError(
            f"favourites {str(path)!r} cannot be read ({reason}); correct the file or delete it"
        ) from None


def _write(path: Path, pipelines: dict[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, private=True) as part:
            part.write_text(json.dumps(pipelines, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(
            f"favourites cannot be written to {str(path)!r}: {error.strerror or error}"
        ) from None
