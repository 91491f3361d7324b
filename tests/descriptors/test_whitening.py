"""PCA, PCA whitening and learned whitening on data made to show their effect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from workbench.config.errors import WorkbenchError
from workbench.descriptors.whitening import Whitening


def sample(n: int, channels: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator)
    return torch.randn(n, channels, generator=generator) @ mixing + 3


@pytest.mark.parametrize(("n", "channels"), [(400, 20), (15, 40)])
def test_agrees_with_scikit_learn(n: int, channels: int) -> None:
    """The same inner products as scikit-learn's PCA (its divisor is n - 1 in whitening)."""
    x, size = sample(n, channels), 8
    theirs = PCA(size, svd_solver="full").fit_transform(x.double().numpy())
    ours = Whitening.fit(x, size, "pca").apply(x).double().numpy()
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, rtol=1e-3, atol=1e-2)
    theirs = PCA(size, svd_solver="full", whiten=True).fit_transform(x.double().numpy()) * np.sqrt(
        n / (n - 1)
    )
    ours = Whitening.fit(x, size, "pcaw").apply(x).double().numpy()
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, rtol=1e-3, atol=1e-3)


def test_whitened_data_have_unit_covariance() -> None:
    x = sample(500, 12)
    white = Whitening.fit(x, 12, "pcaw").apply(x).double()
    torch.testing.assert_close(white.T @ white / 500, torch.eye(12, dtype=torch.float64), rtol=0, atol=1e-3)
    torch.testing.assert_close(white.mean(0), torch.zeros(12, dtype=torch.float64), rtol=0, atol=1e-4)


def test_keeps_no_more_directions_than_there_are() -> None:
    whitening = Whitening.fit(sample(9, 30), 20, "pcaw")
    assert whitening.dimensions == 8  # nine points span eight directions about their mean
    assert (whitening.provenance["asked"], whitening.provenance["kept"], whitening.provenance["vectors"]) == (
        20,
        8,
        9,
    )


def test_learned_whitening_finds_the_directions_that_tell_things_apart() -> None:
    """Four of twelve dimensions tell 40 things apart; the others vary more within each."""
    generator = torch.Generator().manual_seed(0)
    things = 2 * torch.randn(40, 4, generator=generator)
    within = torch.randn(200, 12, generator=generator) * torch.tensor([0.3] * 4 + [4.0] * 8)
    views = within + torch.nn.functional.pad(things.repeat_interleave(5, 0), (0, 8))
    pairs = np.array([(i, j) for t in range(40) for i in range(5 * t, 5 * t + 5) for j in range(5 * t, i)])

    def recall(vectors: torch.Tensor) -> float:
        unit = torch.nn.functional.normalize(vectors, dim=1)
        scores = unit @ unit.T - 2 * torch.eye(200)
        return float((scores.argmax(1) // 5 == torch.arange(200) // 5).float().mean())

    assert recall(Whitening.fit(views, 4, "pcaw").apply(views)) < 0.2
    assert recall(Whitening.fit(views, 4, "lw", pairs).apply(views)) > 0.8


def test_saved_and_loaded_to_the_bit(tmp_path: Path) -> None:
    whitening = Whitening.fit(sample(50, 6), 4, provenance={"collection": "made here"})
    whitening.save(tmp_path / "w.safetensors")
    again = Whitening.load(tmp_path / "w.safetensors")
    assert torch.equal(again.mean, whitening.mean) and torch.equal(again.projection, whitening.projection)
    assert again.provenance["collection"] == "made here" and again.kind == "pcaw"


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="at least two"):
        Whitening.fit(torch.zeros(1, 4), 2)
    with pytest.raises(WorkbenchError, match="finite"):
        Whitening.fit(torch.tensor([[1.0, float("nan")], [0.0, 1.0]]), 2)
    with pytest.raises(WorkbenchError, match="all 5 vectors are the same"):
        Whitening.fit(torch.ones(5, 4), 2)
    with pytest.raises(WorkbenchError, match="all 5 vectors are the same"):  # but for rounding
        Whitening.fit(torch.ones(5, 4) + 1e-7 * torch.rand(5, 4), 2)
    with pytest.raises(WorkbenchError, match="matching pairs"):
        Whitening.fit(sample(5, 4), 2, "lw")
    (tmp_path / "text.safetensors").write_text("no whitening")
    with pytest.raises(WorkbenchError, match="not a saved whitening"):
        Whitening.load(tmp_path / "text.safetensors")


@pytest.mark.parametrize(("n", "channels"), [(3000, 300), (200, 300)])
def test_small_eigenvalues_are_as_exact_as_in_double_precision(n: int, channels: int) -> None:
    """Deviations from 1 down to 0.01: whitening multiplies any error in the small ones."""
    generator = torch.Generator().manual_seed(1)
    spread = torch.logspace(0, -2, channels)
    x = torch.randn(n, channels, generator=generator) * spread
    size = 150
    exact = x.double() - x.double().mean(0)
    _, values, directions = torch.linalg.svd(exact, full_matrices=False)
    white = exact @ directions[:size].T / values[:size] * n**0.5
    ours = Whitening.fit(x, size, "pcaw").apply(x).double()
    torch.testing.assert_close(
        ours @ ours.T, white @ white.T, rtol=0, atol=5e-3 * float((white @ white.T).abs().max())
    )
