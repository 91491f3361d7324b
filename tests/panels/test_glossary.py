"""The words that the panels explain: short, with a source or a formula, and each on some panel."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import workbench.panels
from workbench.panels.glossary import GLOSSARY, cards

PANELS = Path(workbench.panels.__file__).parent
# Words of this project, without a formula or a paper.
OWN = {
    "backbone",
    "keys",
    "milliseconds a query",
    "hard query",
    "Pareto front",
    "grid search",
    "constant",
    "held-out mAP",
}


def texts() -> set[str]:
    """All strings in the panels' code, in small letters, but not those of the glossary itself."""
    strings: set[str] = set()
    for path in PANELS.rglob("*.py"):
        if path.name in ("glossary.py", "study_words.py"):
            continue
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        strings |= {
            node.value.lower()
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return strings


@pytest.mark.parametrize("word", GLOSSARY)
def test_word_has_at_most_two_sentences_and_a_source_or_formula(word: str) -> None:
    meaning = GLOSSARY[word]
    assert 1 <= len(re.findall(r"[.!?](?=\s|$)", meaning.text)) <= 2, meaning.text
    assert meaning.text.endswith(".")
    assert meaning.formula or meaning.source or word in OWN


def test_each_word_is_on_a_panel() -> None:
    shown = texts()
    assert [word for word in GLOSSARY if word.lower() not in shown] == []


def test_card_starts_with_a_capital_letter() -> None:
    (card,) = cards("recall@k")
    assert card["word"] == "Recall@k"
    assert set(card) == {"word", "text", "formula", "source"}
