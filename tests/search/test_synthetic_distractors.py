"""Synthetic distractors: moments, seeds, invalid input, full disks and killed processes."""

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
    """Return unit vectors with a non-zero mean and a different spread in each direction."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, dimensions)) * np.linspace(0.2, 1, dimensions) + 0.5
    if groups:
        vectors += 3 * rng.standard_normal((groups, dimensions))[np.arange(n) % groups]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def all_of(vectors: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    return np.concatenate(list(synthetic_distractors.draw(vectors, count, seed)))


@pytest.mark.parametrize("bandwidth", [None, math.inf])
@pytest.mark.parametrize(("n", "dimensions"), [(500, 16), (10, 16)])
def test_draws_keep_mean_and_covariance(n: int, dimensions: int, bandwidth: float | None) -> None:
    """Checks 100,000 draws before normalisation, within four standard errors of each moment."""
    vectors, count = unit(0, n, dimensions), 100_000
    distractors = np.concatenate(
        list(synthetic_distractors.draw_unnormalised(vectors, count, 3, bandwidth))
    ).astype(np.float64)
    assert distractors.shape == (count, dimensions)
    mean, covariance = vectors.mean(0), np.cov(vectors.T.astype(np.float64), bias=True)
    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(distractors.mean(0) - mean) < 4 * spread / np.sqrt(count)).all()
    products = (distractors - mean)[:, :, None] * (distractors - mean)[:, None, :]
    error = products.std(axis=0) / np.sqrt(count)
    assert (np.abs(products.mean(0) - covariance) < 4 * error + 1e-9).all()


def test_distractors_are_nearer_to_the_collection_than_gaussian_draws() -> None:
    """A smoothed bootstrap keeps clusters, which a fitted Gaussian does not."""
    vectors = unit(1, 400, 8, groups=4)
    gaussian = np.random.default_rng(0).multivariate_normal(vectors.mean(0), np.cov(vectors.T), 4000)
    gaussian /= np.linalg.norm(gaussian, axis=1, keepdims=True)
    nearest = [(drawn @ vectors.T).max(axis=1).mean() for drawn in (all_of(vectors, 4000), gaussian)]
    assert nearest[0] > nearest[1] + 0.02


def test_distractors_resemble_the_collection_but_no_single_image(tmp_path: Path) -> None:
    """In many dimensions the smoothed bootstrap draws near-duplicates, which are unfair negatives."""
    vectors = unit(1, 300, 128)
    bootstrap, distractors = (
        all_of(vectors, 3000),
        synthetic_distractors.with_distractors(vectors, 3000, 0, tmp_path)[300:],
    )
    centred = vectors - vectors.mean(0)
    lengths = np.linalg.norm(centred, axis=1)

    def nearest(drawn: np.ndarray) -> float:
        offsets = drawn - vectors.mean(0)
        return float(
            np.median(((offsets @ centred.T) / np.linalg.norm(offsets, axis=1)[:, None] / lengths).max(1))
        )

    cosines = (centred @ centred.T) / lengths[:, None] / lengths
    np.fill_diagonal(cosines, -1)
    assert nearest(distractors) == pytest.approx(np.median(cosines.max(1)), abs=0.05)
    assert nearest(bootstrap) > 0.5 > nearest(distractors)


@pytest.mark.parametrize("count", [1, 100, 16_385])
def test_distractors_have_unit_length_and_depend_on_the_seed(count: int) -> None:
    vectors = unit(2, 50, 12)
    distractors = all_of(vectors, count, seed=7)
    assert distractors.shape == (count, 12) and distractors.dtype == np.float32
    assert np.abs(np.linalg.norm(distractors, axis=1) - 1).max() < 1e-6
    assert np.array_equal(distractors, all_of(vectors, count, seed=7))
    assert np.array_equal(distractors, all_of(vectors, count + 100, seed=7)[:count])
    assert not np.array_equal(distractors[:1], all_of(vectors, 1, seed=8))
    assert len(np.unique(distractors, axis=0)) == count


@pytest.mark.parametrize("n", [1, 2, 5])
def test_distractors_of_equal_vectors_are_that_vector(n: int) -> None:
    vector = unit(3, 1, 6)
    distractors = all_of(np.repeat(vector, n, axis=0), 20)
    assert np.allclose(distractors, vector, atol=1e-6)


def test_non_finite_or_missing_vectors_are_an_error(tmp_path: Path) -> None:
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


def test_mapped_vectors_precede_distractors_and_leave_no_file(tmp_path: Path) -> None:
    vectors, reports = unit(5, 30, 8), []
    cache = tmp_path / "cache"
    combined = synthetic_distractors.with_distractors(
        vectors, 20_000, 1, cache, lambda *step: reports.append(step)
    )
    assert combined.shape == (20_030, 8) and np.array_equal(combined[:30], vectors)
    assert np.array_equal(
        combined[30:], np.concatenate(list(synthetic_distractors.draw(vectors, 20_000, 1, math.inf)))
    )
    assert reports[0] == ("drawing distractors", 0, 20_000) and reports[-1] == (
        "drawing distractors",
        20_000,
        20_000,
    )
    assert not list(cache.iterdir())  # the file is unlinked while it is mapped

    def files() -> int:
        return sum(
            str(cache) in os.readlink(f"/proc/self/map_files/{m}") for m in os.listdir("/proc/self/map_files")
        )

    if os.path.isdir("/proc/self/map_files") and os.geteuid() == 0:
        assert files() == 1
        del combined
        assert files() == 0


def test_distractors_are_never_all_in_memory(tmp_path: Path) -> None:
    vectors = unit(6, 100, 128)
    tracemalloc.start()
    try:
        both = synthetic_distractors.with_distractors(vectors, 200_000, 0, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert both.nbytes > 100e6 > 2 * peak


def test_drawing_can_be_cancelled(tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        synthetic_distractors.with_distractors(unit(7, 10, 4), 100_000, 0, tmp_path, stop)
    assert not list(tmp_path.iterdir())


def test_insufficient_disk_space_is_an_error_before_writing(tmp_path: Path) -> None:
    with pytest.raises(
        WorkbenchError, match=r"1,000,000,000,000 synthetic .* 16,000\.0 GB .* are free; take"
    ):
        synthetic_distractors.with_distractors(unit(8, 10, 4), 10**12, 0, tmp_path)


# In a child process, as a limit on file size cannot be raised again and the test kills the process.
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


def test_disk_that_fills_up_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    process = child(tmp_path, 200_000, limit=4_000_000)  # of the 12.8 MB that are needed
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert out.splitlines()[-1].endswith("which failed (it is full); take fewer, or another cache")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("when", ["while it is drawn", "while it is read"])
def test_killed_process_leaves_no_file(tmp_path: Path, when: str) -> None:
    process = child(tmp_path, 10**7 if when == "while it is drawn" else 10**5)
    assert process.stdout is not None
    last = "16384" if when == "while it is drawn" else str(10**5)
    for line in process.stdout:
        if line.strip() == last:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert not list(tmp_path.iterdir())


def test_read_only_folder_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match=r"which failed \((File exists|Not a directory)\)"):
        synthetic_distractors.with_distractors(unit(9, 5, 4), 10, 0, tmp_path / "file")


@given(
    seed=st.integers(0, 10_000),
    groups=st.integers(1, 6),
    counts=st.lists(st.integers(0, 300), min_size=1, max_size=4),
)
def test_more_distractors_never_raise_ap(seed: int, groups: int, counts: list[int]) -> None:
    """AP of each query: its positives keep their order, and distractors can only rank between them."""
    vectors = unit(seed, 24, 6, groups)
    truth = [
        {str(i): "positive" for i in range(24) if i % groups == q % groups} | {"self": str(q)}
        for q in range(4)
    ]
    distractors = all_of(vectors, max(counts), seed) if max(counts) else vectors[:0]
    before = None
    for count in sorted(counts):
        database = np.concatenate([vectors, distractors[:count]])
        rankings = np.argsort(-(vectors[:4] @ database.T), axis=1, kind="stable")
        ap = evaluate([ranking.astype(str) for ranking in rankings], truth, "labels").per_query["ap"]
        if before is not None:
            assert ((ap <= before + 1e-12) | ap.isna()).all()
        before = ap
