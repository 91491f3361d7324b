"""Visual words: counts and weights by hand, inverted files against plain products, Hamming embedding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.map_source import Picture
from workbench.local import vocabulary as words
from workbench.local.features import LocalFeatures, LocalSource
from workbench.local.hamming_embedding import hamming_embedding, rank_by_hamming_embedding
from workbench.local.inverted_file import InvertedFile
from workbench.local.vocabulary import VisualWords

BASIS = np.eye(128, dtype=np.float32)


def a_vocabulary(images: list[list[int]], count: int = 4) -> VisualWords:
    """Images given by the words of their keypoints; the i-th word is the i-th unit vector."""
    flat = np.array([word for image in images for word in image], np.int32)
    starts = np.append(0, np.cumsum([len(image) for image in images]))
    having = np.array([sum(word in image for image in images) for word in range(count)])
    idf = np.log(len(images) / np.maximum(having, 1)).astype(np.float32)
    return VisualWords(BASIS[:count], idf, flat, starts, count)


def of_words(names: list[int], jitter: np.random.Generator | None = None) -> LocalFeatures:
    """A picture whose keypoints are those words, exactly or nearly, in HardNet's storage."""
    found = BASIS[names]
    if jitter is not None:
        found = found + jitter.normal(0, 0.04, found.shape).astype(np.float32)
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    return LocalFeatures(np.zeros((len(names), 4), np.float32), found.astype(np.float16), (100, 80))


def test_counts_times_idf_by_hand() -> None:
    vocabulary = a_vocabulary([[0, 0, 1], [0, 2], [0, 1, 1], [0]])
    np.testing.assert_allclose(vocabulary.idf, [0, np.log(2), np.log(4), np.log(4)], rtol=1e-6)
    # Word 0 is in every image: a stop word, it weighs nothing. Word 1 comes once in the first.
    np.testing.assert_allclose(vocabulary.vectors()[0], [0, 1, 0, 0], atol=1e-7)
    np.testing.assert_allclose(vocabulary.vectors()[1], [0, 0, 1, 0], atol=1e-7)
    np.testing.assert_array_equal(vocabulary.vectors()[3], 0)  # nothing but the stop word
    mixed = vocabulary.vector(np.array([1, 1, 2]))
    expected = np.array([0, 2 * np.log(2), np.log(4), 0])
    np.testing.assert_allclose(mixed, expected / np.linalg.norm(expected), rtol=1e-6)


def test_a_keypoint_is_named_by_its_nearest_word() -> None:
    vocabulary = a_vocabulary([[0], [1], [2], [3]])
    names = [3, 0, 0, 2]
    np.testing.assert_array_equal(vocabulary.named(of_words(names, np.random.default_rng(0))), names)
    assert len(vocabulary.named(of_words([]))) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 30), st.floats(0, 1))
def test_the_inverted_file_scores_as_the_product_does(
    seed: int, images: int, count: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    vectors = (rng.random((images, count)) * (rng.random((images, count)) < share)).astype(np.float32)
    query = (rng.random(count) * (rng.random(count) < 0.5)).astype(np.float32)
    index = InvertedFile.of(vectors)
    np.testing.assert_allclose(index.scores(query), vectors @ query, atol=1e-5)
    (found,) = index.search(query[None])
    assert sorted(found.rows) == list(range(images))
    assert (np.diff(found.scores) <= 0).all()
    tied = np.flatnonzero(np.diff(found.scores) == 0)
    assert (found.rows[tied] < found.rows[tied + 1]).all()  # the database's order
    (best,) = index.search(query[None], k=min(3, images))
    np.testing.assert_array_equal(best.rows, found.rows[:3])


def test_images_without_a_shared_word_score_zero_and_the_cost() -> None:
    index = InvertedFile(sparse.csc_array(np.array([[0.6, 0.8, 0], [0, 0, 1], [0, 1, 0]], np.float32)))
    (found,) = index.search(np.array([[1, 0, 0]], np.float32))
    np.testing.assert_array_equal(found.rows, [0, 1, 2])
    np.testing.assert_allclose(found.scores, [0.6, 0, 0], rtol=1e-6)
    assert index.bytes == pytest.approx(8 * 4 / 3)  # four postings of eight bytes, three images


IMAGES = [[0, 0, 1], [1, 2, 3], [0, 2, 2, 2], [3], []]


def embedded(jitter: bool) -> tuple[VisualWords, list[LocalFeatures], object]:
    rng = np.random.default_rng(5)
    features = [of_words(names, rng if jitter else None) for names in IMAGES]
    vocabulary = a_vocabulary(IMAGES)
    return vocabulary, features, hamming_embedding(vocabulary, len(IMAGES), lambda: enumerate(features), 0)


def test_embedding_that_excludes_nothing_is_the_bag_of_words() -> None:
    vocabulary, features, made = embedded(jitter=True)
    vectors = vocabulary.vectors()
    for query, one in zip(vectors, features, strict=True):
        scores = made.scores(one, 64)  # type: ignore[attr-defined]
        np.testing.assert_allclose(scores, vectors @ query, atol=1e-5)


def test_embedding_tells_keypoints_of_one_word_apart() -> None:
    vocabulary, features, made = embedded(jitter=True)
    every, few, none = (made.scores(features[2], t) for t in (64, 12, 0))  # type: ignore[attr-defined]
    assert (few <= every + 1e-6).all() and (none <= few + 1e-6).all()
    assert few.sum() < every.sum()
    # A keypoint is as itself: with no bit to differ in, each of the three of word 2 matches itself alone.
    weight = 3 * vocabulary.idf[2] ** 2 + vocabulary.idf[0] ** 2
    length = (3 * vocabulary.idf[2]) ** 2 + vocabulary.idf[0] ** 2
    assert none[2] == pytest.approx(weight / length, rel=1e-4)
    found = rank_by_hamming_embedding(made, features[2], 24)  # type: ignore[arg-type]
    assert sorted(found.rows) == list(range(len(IMAGES)))
    assert found.rows[0] == 2


def test_embedding_of_an_image_without_keypoints_scores_zero() -> None:
    _, features, made = embedded(jitter=False)
    np.testing.assert_array_equal(made.scores(features[4], 24), 0)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalSource, list[str]]:
    from tests.support.things import folder_of_things

    folder = folder_of_things(tmp_path_factory.mktemp("things"), views=1)
    source = LocalSource("sift", Options(size=240, cache=tmp_path_factory.mktemp("cache")))
    keys, lost = source.extract([Picture(path) for path in sorted(folder.glob("*/*.png"))])
    assert not lost
    return source, keys[0]


def test_a_vocabulary_is_learned_kept_and_read_again(described: tuple[LocalSource, list[str]]) -> None:
    source, keys = described
    rows = range(len(keys))
    first = words.describe(source, keys, 50, rows)
    assert first.centroids.shape == (50, 128)
    assert np.diff(first.starts).tolist() == [len(one) for _, one in sorted(source.read(keys))]
    for row, features in source.read(keys):
        np.testing.assert_array_equal(first.of(row), first.named(features))
    (path,) = (source.options.cache / "words").iterdir()
    again = words.describe(source, keys, 50, rows)
    np.testing.assert_array_equal(first.vectors(), again.vectors())
    for broken in (b"", b"\0" * 100, path.read_bytes()[:-7]):
        path.write_bytes(broken)
        np.testing.assert_array_equal(words.describe(source, keys, 50, rows).vectors(), first.vectors())
    assert len(path.read_bytes()) > 100  # made again
    path.unlink()


def test_words_of_another_size_are_others(described: tuple[LocalSource, list[str]]) -> None:
    source, _ = described
    smaller = LocalSource("sift", replace(source.options, size=120))
    folder = Path(str(source.options.cache)).parent
    paths = sorted(folder.glob("things*/*/*.png"))
    keys = [s.extract([Picture(path) for path in paths])[0][0] for s in (source, smaller)]
    assert keys[0] == keys[1]  # of the files, whatever their size
    large, small = (
        words.describe(s, keys[0], 20, range(len(paths)))
        for s in (LocalSource("sift", source.options), smaller)
    )
    assert len(small.words) < len(large.words)
    assert np.diff(small.starts).tolist() == [len(one) for _, one in sorted(smaller.read(keys[0]))]


def test_a_vocabulary_larger_than_the_data_is_cut_to_it(described: tuple[LocalSource, list[str]]) -> None:
    source, keys = described
    total = sum(len(one) for _, one in source.read(keys))
    made = words.describe(source, keys, 100_000, range(len(keys)))
    assert len(made.centroids) == total
    assert made.asked == 100_000


def test_pictures_without_any_keypoint_have_no_words(described: tuple[LocalSource, list[str]]) -> None:
    source, keys = described
    empty = [keys[row] for row, one in source.read(keys) if not len(one)]
    assert len(empty) == 3
    made = words.describe(source, empty, 8, range(3))
    assert made.vectors().shape == (3, 1)
    assert not made.vectors().any()
    assert not made.vector(np.zeros(0, np.int32)).any()


def test_vectors_that_do_not_fit_are_refused_before_any_work(tmp_path: Path) -> None:
    source = LocalSource("sift", Options(cache=tmp_path))
    with pytest.raises(WorkbenchError, match=r"bow:1000000: .* take at most 107,374 words"):
        words.describe(source, ["k"] * 10_000, 1_000_000, range(10_000))
