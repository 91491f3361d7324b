"""The nouns of WordNet (Fellbaum, 1998) in the files of its database: synonyms, hypernyms and glosses.

A synset is named as in ImageNet: ``n`` and its offset in ``data.noun``, eight digits. The format of the file
is that of the manual page wndb(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.config.errors import WorkbenchError

FOLDER = Path("/usr/share/wordnet")  # of Debian's wordnet-base


@dataclass(frozen=True)
class Synset:
    """A noun's meaning: its synonyms, the synsets directly above it, and its definition without examples."""

    lemmas: tuple[str, ...]
    hypernyms: tuple[str, ...]
    gloss: str


def read_nouns(folder: Path = FOLDER) -> dict[str, Synset]:
    """All synsets of nouns by name. Raises WorkbenchError if the database is missing."""
    path = folder / "data.noun"
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise WorkbenchError(
            f"WordNet's file {str(path)!r} is missing; install Debian's package wordnet-base"
        ) from None
    return dict(_parse(line) for line in lines if not line.startswith(" "))  # the licence is indented


def _parse(line: str) -> tuple[str, Synset]:
    data, _, gloss = line.partition(" | ")
    fields = data.split()
    count = int(fields[3], 16)
    lemmas = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
    pointers = fields[5 + 2 * count :]
    hypernyms = [
        f"n{offset}"
        for symbol, offset in zip(pointers[::4], pointers[1::4], strict=False)
        if symbol in ("@", "@i")
    ]
    return f"n{fields[0]}", Synset(lemmas, tuple(hypernyms), gloss.partition('; "')[0].strip())


def ancestors(name: str, nouns: Mapping[str, Synset]) -> list[str]:
    """The synsets above one, the nearest first, each once."""
    above: dict[str, None] = {}
    level = [name]
    while level:
        level = [parent for synset in level for parent in nouns[synset].hypernyms if parent not in above]
        above.update(dict.fromkeys(level))
    return list(above)


def below(roots: Iterable[str], names: Iterable[str], nouns: Mapping[str, Synset]) -> list[str]:
    """Those of ``names`` that are one of the ``roots`` or below one, in their order."""
    wanted = set(roots)
    return [name for name in names if name in wanted or not wanted.isdisjoint(ancestors(name, nouns))]
