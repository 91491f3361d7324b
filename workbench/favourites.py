"""Pipelines that have a name: the field's, and one's own, kept in a JSON file."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from workbench.config import Config, WorkbenchError

# MAC and R-MAC: Tolias et al. 2016; SPoC: Babenko and Lempitsky 2015; GeM: Radenović et al. 2019;
# CroW: Kalantidis et al. 2016; neural codes: Babenko et al. 2014; bags of words: Sivic and Zisserman 2003,
# spatial verification: Philbin et al. 2007, query expansion behind it: Chum et al. 2007.
KNOWN = {
    "MAC": "efficientnet_lite0/max/whole/pcaw:256",
    "SPoC": "efficientnet_lite0/mean/whole/centre/pcaw:256",
    "R-MAC": "efficientnet_lite0/max/rmac:3/pcaw:256",
    "GeM": "efficientnet_lite0/gem:3/whole/pcaw:256",
    "CroW": "efficientnet_lite0/crow/whole/pcaw:256",
    "Neural codes": "efficientnet_lite0/code/whole/pca:256",
    "BoW": "sift/bow:4096/whole",
    "BoW + SV": "sift/bow:4096/whole/sv:100",
    "BoW + SV + QE": "sift/bow:4096/whole/sv:100/aqe:5",
}


def path_in(cache: Path) -> Path:
    return cache / "favourites.json"


def favourites(cache: Path) -> dict[str, str]:
    """Name → pipeline, the known ones first. Raises WorkbenchError where the file cannot be understood."""
    return {**KNOWN, **_own(path_in(cache))}


def remember(cache: Path, name: str, pipeline: str) -> None:
    """Keep a pipeline under a name, in place of an own one that had it."""
    name = " ".join(name.split())
    if not name:
        raise WorkbenchError("a favourite needs a name; write one beside 'Save'")
    if name in KNOWN:
        raise WorkbenchError(f"{name!r} is the name of a published pipeline; choose another")
    _write(path_in(cache), {**_own(path_in(cache)), name: str(Config.parse(pipeline))})


def forget(cache: Path, name: str) -> None:
    """Take an own favourite away."""
    own = _own(path_in(cache))
    if own.pop(name, None) is None:
        why = "it is built in" if name in KNOWN else "there is none of that name"
        raise WorkbenchError(f"favourite {name!r} cannot be deleted: {why}")
    _write(path_in(cache), own)


def _own(path: Path) -> dict[str, str]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(Config.parse(pipeline)) for name, pipeline in read.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).split("\n")[0]
        raise WorkbenchError(
            f"favourites {str(path)!r} cannot be read ({reason}); mend the file or delete it"
        ) from None


def _write(path: Path, own: dict[str, str]) -> None:
    """All of it or nothing: a kernel that dies while writing leaves the old file."""
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            name = file.name
            json.dump(own, file, indent=1, ensure_ascii=False)
        os.replace(name, path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise WorkbenchError(
            f"favourites cannot be written to {str(path)!r}: {error.strerror or error}"
        ) from None
