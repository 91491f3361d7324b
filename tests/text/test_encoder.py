"""The text encoder gives the published vectors, whatever other texts are encoded with a text."""

from __future__ import annotations

import numpy as np

from workbench.text.encoder import counted_text, encode


def test_vectors_are_those_of_the_published_model() -> None:
    # The first numbers that the authors' own code gives for the sentences of the model's card.
    vectors = encode(["This is an example sentence", "Each sentence is converted"])
    np.testing.assert_allclose(vectors[0, :3], [0.0676569, 0.0634959, 0.0487131], atol=1e-5)
    np.testing.assert_allclose(vectors[1, :3], [0.0864386, 0.1027626, 0.0053946], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_the_texts_beside_it() -> None:
    texts = ["dog", "", "a red car on a brick wall, " * 9, "犬 🐶"]
    together = encode(texts)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(encode([text])[0], vector, atol=1e-5)


def test_only_the_first_word_pieces_of_a_long_text_count() -> None:
    text = "cat " * 2500
    counted = counted_text(text)
    assert counted == text[: 254 * 4 - 1]  # 256 with the marks at both ends
    np.testing.assert_allclose(encode([text]), encode([counted]), atol=1e-6)
    assert counted_text("a cat") == "a cat"
