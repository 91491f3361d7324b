"""The table of concepts: WordNet's file format, the table made from it, and the one that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.support.texts import concepts_of
from workbench.config.errors import WorkbenchError
from workbench.text.bridge import text_query
from workbench.text.concepts import load_concepts
from workbench.text.encoder import encode
from workbench.text.make_concepts import make
from workbench.text.notes import text_notes
from workbench.text.wordnet import Synset, ancestors, below, read_nouns

NOUNS = """  1 This line is of the licence.
00000001 03 n 01 entity 0 001 ~ 00000002 n 0000 | what exists; "an entity"
00000002 05 n 02 animal 0 animate_being 0 002 @ 00000001 n 0000 ~ 00000003 n 0000 | a living thing
00000003 05 n 01 crane 1 002 @ 00000002 n 0000 ;c 00000001 n 0000 | a wading bird
00000004 06 n 01 crane 0 001 @i 00000001 n 0000 | lifts; "it broke"
"""


@pytest.fixture
def nouns(tmp_path: Path) -> dict[str, Synset]:
    (tmp_path / "data.noun").write_text(NOUNS)
    return read_nouns(tmp_path)


def test_synsets_have_their_lemmas_hypernyms_and_gloss(nouns: dict[str, Synset]) -> None:
    assert nouns["n00000002"] == Synset(("animal", "animate being"), ("n00000001",), "a living thing")
    assert nouns["n00000004"] == Synset(("crane",), ("n00000001",), "lifts")
    assert ancestors("n00000003", nouns) == ["n00000002", "n00000001"]
    assert below(["n00000002"], nouns, nouns) == ["n00000002", "n00000003"]


def test_a_missing_wordnet_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="wordnet-base"):
        read_nouns(tmp_path)


def test_a_table_names_equal_lemmas_by_their_hypernyms(nouns: dict[str, Synset], tmp_path: Path) -> None:
    (tmp_path / "table.safetensors").write_bytes(make(["n00000003", "n00000004"], nouns))
    table = load_concepts.__wrapped__(tmp_path / "table.safetensors")
    assert table.titles == ("crane (animal)", "crane (entity)")
    assert table.names == ("crane", "animal", "entity")
    assert table.hypernyms.tolist() == [[1, 2], [2, 2]]
    assert_allclose(table.descriptions[1], encode(["crane: lifts"])[0], atol=1e-3)
    similarities, nearest = table.similarities(encode(["animal"])[0])
    assert [table.names[row] for row in nearest] == ["animal", "crane"]
    assert similarities[0] == pytest.approx(
        0.5 + 0.5 * table.descriptions[0] @ encode(["animal"])[0], abs=1e-3
    )


def test_the_shipped_table_knows_words_that_no_class_is_named_by() -> None:
    table = load_concepts()
    assert len(set(table.titles)) == len(set(table.wnids)) == 1000
    for text, titles in {
        "lighthouse": {"beacon"},
        "place of worship": {"church", "mosque", "stupa", "monastery"},
        "hairdryer": {"hand blower"},
    }.items():
        assert table.titles[text_query(text).best(1)[0]] in titles


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(WorkbenchError, match="reinstall"):
        load_concepts.__wrapped__(tmp_path / "table.safetensors")


def test_the_weight_falls_with_the_distance_from_the_most_similar_concept() -> None:
    query = text_query("a big cat")
    gap = query.similarities.max() - query.similarities
    assert_allclose(query.weights, np.exp(-gap / 0.05), rtol=1e-4)


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000"])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(WorkbenchError, match="empty"):
        text_query(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a red car", []),
        ("place of worship", []),
        ("the philosophy of mind", ["no concept is near"]),
        ("собака", ["'с' is a letter of another script"]),
        ("une voiture rouge", ["'une' is not an English word", "no concept is near"]),
        ("zebra " * 2000, ["has 12,000 characters, of which", "no concept is near"]),
        ("x" * 10_000, ["no concept is near 'xxx"]),
    ],
)
def test_what_a_text_does_not_say_is_said(text: str, said: list[str]) -> None:
    notes = text_notes(text_query(text))
    assert len(notes) == len(said)
    for note, part in zip(notes, said, strict=True):
        assert part in note and len(note) < 300


def test_concepts_by_hand_give_the_mean_of_two_cosines() -> None:
    table = concepts_of()
    similarities, nearest = table.similarities(np.array([1.0, 0, 0], np.float32))
    # beagle: nearest name dog (1), description 0.6; cat: nearest name animal (0), description 0.
    assert_allclose(similarities, [0.8, 0.3, 0.0], atol=1e-6)
    assert table.names[nearest[0]] == "dog"
