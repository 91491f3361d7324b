"""Synthetic distractors: moments, seeds, hostile inputs, and real faults of the disk and the process."""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.evaluation.protocols import evaluate
from workbench.search import synthetic_distractors


def unit(seed: int, n: int, dimensions: int, groups: int = 0) -> np.ndarray:
    """Vectors of unit length whose mean is not zero and whose directions differ in spread."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, dimensions)) * np.linspace(0.2, 1, dimensions) + 0.5
    if groups:
        vectors += 3 * rng.standard_normal((groups, dimensions))[np.arange(n) % groups]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def all_of(vectors: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    return np.concatenate(list(synthetic_distractors.draw(vectors, count, seed)))


@pytest.mark.parametrize("bandwidth", [None, math.inf])
@pytest.mark.parametrize(("n", "dimensions"), [(500, 16), (10, 16)])
def test_mean_and_covariance_are_kept(n: int, dimensions: int, bandwidth: float | None) -> None:
    """Of 100,000 draws before they are brought to unit length, within four standard errors each."""
    vectors, count = unit(0, n, dimensions), 100_000
    drawn = np.concatenate(
        list(synthetic_distractors.draw_unnormalised(vectors, count, 3, bandwidth))
    ).astype(np.float64)
    assert drawn.shape == (count, dimensions)
    mean, covariance = vectors.mean(0), np.cov(vectors.T.astype(np.float64), bias=True)
    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(drawn.mean(0) - mean) < 4 * spread / np.sqrt(count)).all()
    products = (drawn - mean)[:, :, None] * (drawn - mean)[:, None, :]
    error = products.std(axis=0) / np.sqrt(count)
    assert (np.abs(products.mean(0) - covariance) < 4 * error + 1e-9).all()


def test_they_lie_nearer_to_the_collection_than_its_gaussian_does() -> None:
    """A smoothed bootstrap keeps groups, which a fitted Gaussian would lose."""
    vectors = unit(1, 400, 8, groups=4)
    gaussian = np.random.default_rng(0).multivariate_normal(vectors.mean(0), np.cov(vectors.T), 4000)
    gaussian /= np.linalg.norm(gaussian, axis=1, keepdims=True)
    nearest = [(some @ vectors.T).max(axis=1).mean() for some in (all_of(vectors, 4000), gaussian)]
    assert nearest[0] > nearest[1] + 0.02


def test_distractors_are_like_the_collection_and_unlike_any_one_image(tmp_path: Path) -> None:
    """In many dimensions the smoothed bootstrap makes near-copies, which as negatives would be unfair."""
    vectors = unit(1, 300, 128)
    near, like = (
        all_of(vectors, 3000),
        synthetic_distractors.with_distractors(vectors, 3000, 0, tmp_path)[300:],
    )
    centred = vectors - vectors.mean(0)
    lengths = np.linalg.norm(centred, axis=1)

    def nearest(drawn: np.ndarray) -> float:
        moved = drawn - vectors.mean(0)
        return float(
            np.median(((moved @ centred.T) / np.linalg.norm(moved, axis=1)[:, None] / lengths).max(1))
        )

    others = (centred @ centred.T) / lengths[:, None] / lengths
    np.fill_diagonal(others, -1)
    assert nearest(like) == pytest.approx(np.median(others.max(1)), abs=0.05)
    assert nearest(near) > 0.5 > nearest(like)


@pytest.mark.parametrize("count", [1, 100, 16_385])
def test_unit_length_and_the_same_for_a_seed(count: int) -> None:
    vectors = unit(2, 50, 12)
    drawn = all_of(vectors, count, seed=7)
    assert drawn.shape == (count, 12) and drawn.dtype == np.float32
    assert np.abs(np.linalg.norm(drawn, axis=1) - 1).max() < 1e-6
    assert np.array_equal(drawn, all_of(vectors, count, seed=7))
    assert np.array_equal(drawn, all_of(vectors, count + 100, seed=7)[:count])
    assert not np.array_equal(drawn[:1], all_of(vectors, 1, seed=8))
    assert len(np.unique(drawn, axis=0)) == count


@pytest.mark.parametrize("n", [1, 2, 5])
def test_one_image_or_duplicates_only_give_that_vector_again(n: int) -> None:
    one = unit(3, 1, 6)
    drawn = all_of(np.repeat(one, n, axis=0), 20)
    assert np.allclose(drawn, one, atol=1e-6)


def test_what_nothing_can_be_drawn_near_is_named(tmp_path: Path) -> None:
    vectors = unit(4, 20, 4)
    assert np.isfinite(all_of(np.zeros((3, 4), np.float32), 5)).all()
    for row in (0, 11):
        for value in (np.nan, np.inf):
            bad = vectors.copy()
            bad[row, 2] = value
            with pytest.raises(WorkbenchError, match=f"vector {row} is not finite"):
                synthetic_distractors.with_distractors(bad, 5, 0, tmp_path)
    with pytest.raises(WorkbenchError, match=r"not \(0, 4\)"):
        all_of(vectors[:0], 5)
    assert not list(tmp_path.iterdir())


def test_the_map_holds_its_own_first_and_vanishes(tmp_path: Path) -> None:
    vectors, said = unit(5, 30, 8), []
    cache = tmp_path / "cache"
    both = synthetic_distractors.with_distractors(vectors, 20_000, 1, cache, lambda *step: said.append(step))
    assert both.shape == (20_030, 8) and np.array_equal(both[:30], vectors)
    assert np.array_equal(
        both[30:], np.concatenate(list(synthetic_distractors.draw(vectors, 20_000, 1, math.inf)))
    )
    assert said[0] == ("drawing distractors", 0, 20_000) and said[-1] == (
        "drawing distractors",
        20_000,
        20_000,
    )
    assert not list(cache.iterdir())  # not even now

    def files() -> int:
        return sum(
            str(cache) in os.readlink(f"/proc/self/map_files/{m}") for m in os.listdir("/proc/self/map_files")
        )

    if os.path.isdir("/proc/self/map_files") and os.geteuid() == 0:
        assert files() == 1
        del both
        assert files() == 0


def test_it_is_never_all_in_memory(tmp_path: Path) -> None:
    vectors = unit(6, 100, 128)
    tracemalloc.start()
    try:
        both = synthetic_distractors.with_distractors(vectors, 200_000, 0, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert both.nbytes > 100e6 > 2 * peak


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        synthetic_distractors.with_distractors(unit(7, 10, 4), 100_000, 0, tmp_path, stop)
    assert not list(tmp_path.iterdir())


def test_too_many_for_the_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        WorkbenchError, match=r"1,000,000,000,000 synthetic .* 16,000\.0 GB .* are free; take"
    ):
        synthetic_distractors.with_distractors(unit(8, 10, 4), 10**12, 0, tmp_path)


# In a process of its own, for a limit on files cannot be taken back, and a killed process is dead.
CHILD = """
import sys
import numpy as np
from pathlib import Path
from workbench.config.errors import WorkbenchError
from workbench.search import synthetic_distractors
def progress(what, done, total):
    print(done, flush=True)
try:
    count, cache = int(sys.argv[2]), Path(sys.argv[1])
    both = synthetic_distractors.with_distractors(np.eye(16, dtype=np.float32), count, 0, cache, progress)
except WorkbenchError as error:
    print(error, flush=True)
    sys.exit(3)
input()
"""


def child(folder: Path, count: int, limit: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=None
        if limit is None
        else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )


def test_a_disk_that_fills_up_on_the_way_is_one_sentence(tmp_path: Path) -> None:
    process = child(tmp_path, 200_000, limit=4_000_000)  # of the 12.8 MB that are needed
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert out.splitlines()[-1].endswith("which failed (it is full); take fewer, or another cache")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("when", ["while it is drawn", "while it is read"])
def test_a_killed_process_leaves_no_file(tmp_path: Path, when: str) -> None:
    process = child(tmp_path, 10**7 if when == "while it is drawn" else 10**5)
    assert process.stdout is not None
    last = "16384" if when == "while it is drawn" else str(10**5)
    for line in process.stdout:
        if line.strip() == last:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match=r"which failed \((File exists|Not a directory)\)"):
        synthetic_distractors.with_distractors(unit(9, 5, 4), 10, 0, tmp_path / "file")


@given(
    seed=st.integers(0, 10_000),
    groups=st.integers(1, 6),
    more=st.lists(st.integers(0, 300), min_size=1, max_size=4),
)
def test_more_negatives_never_raise_ap(seed: int, groups: int, more: list[int]) -> None:
    """Each query's: its positives keep their order, and others only come in between."""
    vectors = unit(seed, 24, 6, groups)
    truth = [
        {str(i): "positive" for i in range(24) if i % groups == q % groups} | {"self": str(q)}
        for q in range(4)
    ]
    drawn = all_of(vectors, max(more), seed) if max(more) else vectors[:0]
    before = None
    for count in sorted(more):
        database = np.concatenate([vectors, drawn[:count]])
        rankings = np.argsort(-(vectors[:4] @ database.T), axis=1, kind="stable")
        judged = evaluate([ranking.astype(str) for ranking in rankings], truth, "labels").per_query["ap"]
        if before is not None:
            assert ((judged <= before + 1e-12) | judged.isna()).all()
        before = judged
