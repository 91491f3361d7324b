"""A session as a JSON file: its question, its selection and its comparison."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from workbench.common.files import write_output
from workbench.common.geometry import Box, valid_box
from workbench.common.text import parse_json, read_bytes
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.panels.refinement import METHODS, OWNED
from workbench.panels.session import Session
from workbench.query.query import Query

FORMAT = "retrieval workbench session"
VERSION = 1


def save(session: Session, path: Path) -> None:
    """Write the session's state atomically. A file that is not a saved session is never replaced."""
    if path.exists():
        _read(path)
    state = {name: getattr(session, name) for name in _KEPT if session.has_trait(name)}
    content = {"format": FORMAT, "version": VERSION, "collection": session.bench.collection.name}
    text = json.dumps({**content, "state": state}, indent=2, ensure_ascii=False)
    write_output(path, text + "\n", "session file", errors="surrogateescape")


def restore(session: Session, path: Path) -> list[str]:
    """Restore a saved state. Returns a sentence for each part that could not be restored.

    Images and queries that no longer exist are left out; from a session of another collection only the
    pipelines are restored. Raises WorkbenchError if the file is not a session, or is of a newer version.
    """
    content = _read(path)
    state, lost = content["state"], []
    saved, current = content.get("collection"), session.bench.collection.name
    if saved != current:
        lost.append(f"it was saved on the collection {saved!r}, not {current!r}: only pipelines are restored")
        state = {name: value for name, value in state.items() if name in _OF_ANY_COLLECTION}
    traits: dict[str, Any] = {}
    for name in [*(name for name in _KEPT if name in state), *(state.keys() - _KEPT.keys())]:
        if name not in _KEPT or not session.has_trait(name):
            lost.append(f"{name!r} is unknown to this version")
            continue
        try:
            traits[name] = _KEPT[name](session, state[name], lost)
        except WorkbenchError as error:
            lost.append(f"{name}: {error}")
        except (AttributeError, TypeError, ValueError):
            lost.append(f"{name}: {str(state[name])[:80]!r} is not a valid value")
    if "query" not in traits:
        traits = {name: value for name, value in traits.items() if name not in ("box", *OWNED)}
    session.change_query(**traits)  # in one step, so that a query keeps its saved box and feedback
    return lost


def _read(path: Path) -> dict[str, Any]:
    """Read a saved session. Raises WorkbenchError if the file is not one."""
    file = f"session file {str(path)!r}"
    if not path.exists():
        raise WorkbenchError(f"{file} does not exist; write the name of a saved session")
    try:
        content = parse_json(read_bytes(path).decode("utf-8-sig", errors="surrogateescape"))
    except WorkbenchError as error:
        raise WorkbenchError(f"session file {error}; choose another file") from None
    except ValueError:
        content = None
    if (
        not isinstance(content, dict)
        or content.get("format") != FORMAT
        or not isinstance(content.get("state"), dict)
        or not isinstance(content.get("version"), int)
    ):
        raise WorkbenchError(f"{file} is not a saved session, or is damaged; choose another file")
    if content["version"] > VERSION:
        raise WorkbenchError(f"{file} was saved by a newer version; update the workbench")
    return content


def _pipeline(session: Session, value: Any, lost: list[str]) -> str:
    return str(Config.parse(value))


def _slot(session: Session, value: Any, lost: list[str]) -> str:
    return "" if value == "" else _pipeline(session, value, lost)


def _pipelines(session: Session, value: Any, lost: list[str]) -> tuple[str, ...]:
    valid = []
    for pipeline in value:
        try:
            valid.append(_pipeline(session, pipeline, lost))
        except WorkbenchError as error:
            lost.append(str(error))
    return tuple(valid)


def _query(session: Session, value: Any, lost: list[str]) -> str:
    names = _queries(session, [value], [])
    return names[0] if names else _missing("query", value)


def _queries(session: Session, value: Any, lost: list[str]) -> tuple[str, ...]:
    for name in value:
        if name not in session.queries and Path(name).is_absolute() and Path(name).is_file():
            session.add_file(Path(name))
    return _existing(session.queries, value, lost, "queries")


def _box(session: Session, value: Any, lost: list[str]) -> Box | None:
    return None if value is None else valid_box(value)


def _image(session: Session, value: Any, lost: list[str]) -> str:
    return str(value) if value == "" or value in session.images else _missing("image", value)


def _images(session: Session, value: Any, lost: list[str]) -> tuple[str, ...]:
    return _existing(session.images, value, lost, "images selected")


def _feedback(session: Session, value: Any, lost: list[str]) -> dict[str, int]:
    kept = _existing(session.images, value, lost, "images judged")
    return {image: 1 if value[image] > 0 else -1 for image in kept}


def _expression(session: Session, value: Any, lost: list[str]) -> str:
    return "" if value == "" else str(Query.parse(value))


def _method(session: Session, value: Any, lost: list[str]) -> str:
    if value not in METHODS.values():
        raise WorkbenchError(f"{value!r} is unknown; valid: {', '.join(METHODS.values())}")
    return str(value)


def _existing(existing: Any, names: Any, lost: list[str], kind: str) -> tuple[str, ...]:
    kept = tuple(name for name in names if name in existing)
    if len(kept) < len(names):
        lost.append(f"{len(names) - len(kept)} of {len(names)} {kind} no longer exist")
    return kept


def _missing(kind: str, name: Any) -> NoReturn:
    raise WorkbenchError(f"the {kind} {str(name)!r} is not in this collection")


# The saved traits, in the order in which they are restored, each with its reader.
_KEPT: dict[str, Callable[[Session, Any, list[str]], Any]] = {
    "pipeline": _pipeline,
    "query": _query,
    "box": _box,
    "also": _queries,
    "feedback": _feedback,
    "expression": _expression,
    "feedback_method": _method,
    "image": _image,
    "selection": _images,
    "compared": _pipelines,
    "a": _slot,
    "b": _slot,
}
_OF_ANY_COLLECTION = ("pipeline", "feedback_method", "compared", "a", "b")
