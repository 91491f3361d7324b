"""Visual words: counts and weights by hand, inverted files against matrix products, Hamming embedding."""

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
from workbench.local.features import LocalFeatures
from workbench.local.hamming_embedding import hamming_embedding, rank_by_hamming_embedding
from workbench.local.inverted_file import InvertedFile
from workbench.local.local_source import LocalSource
from workbench.local.vocabulary import VisualWords

BASIS = np.eye(128, dtype=np.float32)


def a_vocabulary(images: list[list[int]], count: int = 4) -> VisualWords:
    """A vocabulary of images given by the words of their keypoints; word i is the i-th unit vector."""
    flat = np.array([word for image in images for word in image], np.int32)
    starts = np.append(0, np.cumsum([len(image) for image in images]))
    frequencies = np.array([sum(word in image for image in images) for word in range(count)])
    idf = np.log(len(images) / np.maximum(frequencies, 1)).astype(np.float32)
    return VisualWords(BASIS[:count], idf, flat, starts, count)


def of_words(word_ids: list[int], jitter: np.random.Generator | None = None) -> LocalFeatures:
    """Features of a picture whose keypoints are the given words, with or without noise, stored as float16."""
    vectors = BASIS[word_ids]
    if jitter is not None:
        vectors = vectors + jitter.normal(0, 0.04, vectors.shape).astype(np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return LocalFeatures(np.zeros((len(word_ids), 4), np.float32), vectors.astype(np.float16), (100, 80))


def test_vectors_are_counts_times_idf_by_hand() -> None:
    vocabulary = a_vocabulary([[0, 0, 1], [0, 2], [0, 1, 1], [0]])
    np.testing.assert_allclose(vocabulary.idf, [0, np.log(2), np.log(4), np.log(4)], rtol=1e-6)
    # Word 0 is in every image: a stop word with zero weight. Word 1 occurs once in the first image.
    np.testing.assert_allclose(vocabulary.vectors()[0], [0, 1, 0, 0], atol=1e-7)
    np.testing.assert_allclose(vocabulary.vectors()[1], [0, 0, 1, 0], atol=1e-7)
    np.testing.assert_array_equal(vocabulary.vectors()[3], 0)  # only the stop word
    mixed = vocabulary.vector(np.array([1, 1, 2]))
    expected = np.array([0, 2 * np.log(2), np.log(4), 0])
    np.testing.assert_allclose(mixed, expected / np.linalg.norm(expected), rtol=1e-6)


def test_a_keypoint_is_assigned_to_its_nearest_word() -> None:
    vocabulary = a_vocabulary([[0], [1], [2], [3]])
    expected = [3, 0, 0, 2]
    np.testing.assert_array_equal(vocabulary.assign(of_words(expected, np.random.default_rng(0))), expected)
    assert len(vocabulary.assign(of_words([]))) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 30), st.floats(0, 1))
def test_scores_of_the_inverted_file_equal_the_product(
    seed: int, images: int, count: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    vectors = (rng.random((images, count)) * (rng.random((images, count)) < share)).astype(np.float32)
    query = (rng.random(count) * (rng.random(count) < 0.5)).astype(np.float32)
    index = InvertedFile.of(vectors)
    np.testing.assert_allclose(index.scores(query), vectors @ query, atol=1e-5)
    (ranking,) = index.search(query[None])
    assert sorted(ranking.rows) == list(range(images))
    assert (np.diff(ranking.scores) <= 0).all()
    tied = np.flatnonzero(np.diff(ranking.scores) == 0)
    assert (ranking.rows[tied] < ranking.rows[tied + 1]).all()  # ties are in the order of the database
    (best,) = index.search(query[None], k=min(3, images))
    np.testing.assert_array_equal(best.rows, ranking.rows[:3])


def test_images_without_a_shared_word_score_zero() -> None:
    index = InvertedFile(sparse.csc_array(np.array([[0.6, 0.8, 0], [0, 0, 1], [0, 1, 0]], np.float32)))
    (ranking,) = index.search(np.array([[1, 0, 0]], np.float32))
    np.testing.assert_array_equal(ranking.rows, [0, 1, 2])
    np.testing.assert_allclose(ranking.scores, [0.6, 0, 0], rtol=1e-6)
    assert index.bytes == pytest.approx(8 * 4 / 3)  # four postings of eight bytes, three images


IMAGES = [[0, 0, 1], [1, 2, 3], [0, 2, 2, 2], [3], []]


def embedded(jitter: bool) -> tuple[VisualWords, list[LocalFeatures], object]:
    rng = np.random.default_rng(5)
    features = [of_words(names, rng if jitter else None) for names in IMAGES]
    vocabulary = a_vocabulary(IMAGES)
    return vocabulary, features, hamming_embedding(vocabulary, len(IMAGES), lambda: enumerate(features), 0)


def test_embedding_without_a_threshold_equals_the_bag_of_words() -> None:
    vocabulary, features, embedding = embedded(jitter=True)
    vectors = vocabulary.vectors()
    for query, local_features in zip(vectors, features, strict=True):
        scores = embedding.scores(local_features, 64)  # type: ignore[attr-defined]
        np.testing.assert_allclose(scores, vectors @ query, atol=1e-5)


def test_embedding_separates_keypoints_of_one_word() -> None:
    vocabulary, features, embedding = embedded(jitter=True)
    unlimited, limited, exact = (embedding.scores(features[2], threshold) for threshold in (64, 12, 0))  # type: ignore[attr-defined]
    assert (limited <= unlimited + 1e-6).all() and (exact <= limited + 1e-6).all()
    assert limited.sum() < unlimited.sum()
    # With a threshold of zero bits, each of the three keypoints of word 2 matches only itself.
    weight = 3 * vocabulary.idf[2] ** 2 + vocabulary.idf[0] ** 2
    length = (3 * vocabulary.idf[2]) ** 2 + vocabulary.idf[0] ** 2
    assert exact[2] == pytest.approx(weight / length, rel=1e-4)
    ranking = rank_by_hamming_embedding(embedding, features[2], 24)  # type: ignore[arg-type]
    assert sorted(ranking.rows) == list(range(len(IMAGES)))
    assert ranking.rows[0] == 2


def test_embedding_of_an_image_without_keypoints_scores_zero() -> None:
    _, features, embedding = embedded(jitter=False)
    np.testing.assert_array_equal(embedding.scores(features[4], 24), 0)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalSource, list[str]]:
    from tests.support.things import folder_of_things

    folder = folder_of_things(tmp_path_factory.mktemp("things"), views=1)
    source = LocalSource("sift", Options(size=240, cache=tmp_path_factory.mktemp("cache")))
    keys, lost = source.extract([Picture(path) for path in sorted(folder.glob("*/*.png"))])
    assert not lost
    return source, keys[0]


def test_a_vocabulary_is_cached_and_rebuilt_if_damaged(described: tuple[LocalSource, list[str]]) -> None:
    source, keys = described
    rows = range(len(keys))
    first = words.describe(source, keys, 50, rows)
    assert first.centroids.shape == (50, 128)
    assert np.diff(first.starts).tolist() == [
        len(local_features) for _, local_features in sorted(source.read(keys))
    ]
    for row, features in source.read(keys):
        np.testing.assert_array_equal(first.of(row), first.assign(features))
    (path,) = (source.options.cache / "words").iterdir()
    loaded = words.describe(source, keys, 50, rows)
    np.testing.assert_array_equal(first.vectors(), loaded.vectors())
    for damaged in (b"", b"\0" * 100, path.read_bytes()[:-7]):
        path.write_bytes(damaged)
        np.testing.assert_array_equal(words.describe(source, keys, 50, rows).vectors(), first.vectors())
    assert len(path.read_bytes()) > 100  # rebuilt
    path.unlink()


def test_words_depend_on_the_size_of_pictures(described: tuple[LocalSource, list[str]]) -> None:
    source, _ = described
    smaller = LocalSource("sift", replace(source.options, size=120))
    folder = Path(str(source.options.cache)).parent
    paths = sorted(folder.glob("things*/*/*.png"))
    keys = [
        local_source.extract([Picture(path) for path in paths])[0][0] for local_source in (source, smaller)
    ]
    assert keys[0] == keys[1]  # keys do not depend on the size
    large, small = (
        words.describe(local_source, keys[0], 20, range(len(paths)))
        for local_source in (LocalSource("sift", source.options), smaller)
    )
    assert len(small.words) < len(large.words)
    assert np.diff(small.starts).tolist() == [
        len(local_features) for _, local_features in sorted(smaller.read(keys[0]))
    ]


def test_a_vocabulary_is_limited_to_the_number_of_keypoints(described: tuple[LocalSource, list[str]]) -> None:
    source, keys = described
    total = sum(len(local_features) for _, local_features in source.read(keys))
    vocabulary = words.describe(source, keys, 100_000, range(len(keys)))
    assert len(vocabulary.centroids) == total
    assert vocabulary.requested == 100_000


def test_pictures_without_keypoints_have_no_words(described: tuple[LocalSource, list[str]]) -> None:
    source, keys = described
    empty = [keys[row] for row, local_features in source.read(keys) if not len(local_features)]
    assert len(empty) == 3
    vocabulary = words.describe(source, empty, 8, range(3))
    assert vocabulary.vectors().shape == (3, 1)
    assert not vocabulary.vectors().any()
    assert not vocabulary.vector(np.zeros(0, np.int32)).any()


def test_too_large_vectors_are_refused() -> None:
    with pytest.raises(WorkbenchError, match=r"bow:1000000: .* take at most 107,374 words"):
        words.require_memory(1_000_000, 10_000)
    words.require_memory(107_374, 10_000)


def test_a_large_vocabulary_has_two_levels_and_finds_nearly_all_nearest_words(
    described: tuple[LocalSource, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of more than 16,384 words, here of more than 100."""
    source, keys = described
    exact = words.describe(source, keys, 300, range(len(keys)))
    monkeypatch.setattr(words, "LARGE", 100)
    source = LocalSource("sift", replace(source.options, seed=1))  # other words are cached
    large = words.describe(source, keys, 300, range(len(keys)))
    features = max((stored for _, stored in source.read(keys)), key=len)
    error, exact_error = (
        float(((features.descriptors - found.centroids[found.assign(features)]) ** 2).sum(1).mean())
        for found in (large, exact)
    )
    assert len(large.centroids) == 300 and large.index.nlist == 17 and error < 1.2 * exact_error
    nearest = words.nearest_words(features.descriptors, large.index, 5)
    distances = ((features.descriptors[:, None] - large.centroids) ** 2).sum(2)
    assert (nearest == np.argsort(distances, axis=1, kind="stable")[:, :5]).mean() > 0.99
