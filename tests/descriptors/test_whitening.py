"""PCA, PCA whitening and learned whitening on synthetic data."""

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
def test_pca_and_pca_whitening_equal_scikit_learn(n: int, channels: int) -> None:
    """The same inner products as scikit-learn's PCA (its divisor is n - 1 in whitening)."""
    x, size = sample(n, channels), 8
    expected = PCA(size, svd_solver="full").fit_transform(x.double().numpy())
    actual = Whitening.fit(x, size, "pca").apply(x).double().numpy()
    np.testing.assert_allclose(actual @ actual.T, expected @ expected.T, rtol=1e-3, atol=1e-2)
    expected = PCA(size, svd_solver="full", whiten=True).fit_transform(x.double().numpy()) * np.sqrt(
        n / (n - 1)
    )
    actual = Whitening.fit(x, size, "pcaw").apply(x).double().numpy()
    np.testing.assert_allclose(actual @ actual.T, expected @ expected.T, rtol=1e-3, atol=1e-3)


def test_whitened_data_have_unit_covariance() -> None:
    x = sample(500, 12)
    white = Whitening.fit(x, 12, "pcaw").apply(x).double()
    torch.testing.assert_close(white.T @ white / 500, torch.eye(12, dtype=torch.float64), rtol=0, atol=1e-3)
    torch.testing.assert_close(white.mean(0), torch.zeros(12, dtype=torch.float64), rtol=0, atol=1e-4)


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 1.0])
def test_strength_is_the_power_of_the_eigenvalues(strength: float) -> None:
    """After division by eigenvalue^(t/2), the variance along a direction is eigenvalue^(1-t)."""
    x = sample(500, 12)
    values = np.linalg.eigvalsh(np.cov(x.double().numpy().T, bias=True))[::-1]
    white = Whitening.fit(x, 12, "pcaw", strength=strength).apply(x).double().numpy()
    np.testing.assert_allclose(
        white.T @ white / 500, np.diag(values ** (1 - strength)), atol=1e-3 * values[0] ** (1 - strength)
    )
    stored = Whitening.fit(x, 12, "pcaw").at_strength(strength).apply(x).double().numpy()
    np.testing.assert_allclose(stored, white, rtol=1e-5, atol=1e-4)


def test_dimensions_are_limited_by_the_rank_of_the_data() -> None:
    whitening = Whitening.fit(sample(9, 30), 20, "pcaw")
    assert whitening.dimensions == 8  # nine points span eight directions about their mean
    assert (whitening.provenance["asked"], whitening.provenance["kept"], whitening.provenance["vectors"]) == (
        20,
        8,
        9,
    )


def test_learned_whitening_keeps_the_discriminative_directions() -> None:
    """Four of twelve dimensions discriminate 40 objects; the others vary more within an object."""
    generator = torch.Generator().manual_seed(0)
    objects = 2 * torch.randn(40, 4, generator=generator)
    within = torch.randn(200, 12, generator=generator) * torch.tensor([0.3] * 4 + [4.0] * 8)
    views = within + torch.nn.functional.pad(objects.repeat_interleave(5, 0), (0, 8))
    pairs = np.array([(i, j) for t in range(40) for i in range(5 * t, 5 * t + 5) for j in range(5 * t, i)])

    def recall(vectors: torch.Tensor) -> float:
        unit = torch.nn.functional.normalize(vectors, dim=1)
        scores = unit @ unit.T - 2 * torch.eye(200)
        return float((scores.argmax(1) // 5 == torch.arange(200) // 5).float().mean())

    assert recall(Whitening.fit(views, 4, "pcaw").apply(views)) < 0.2
    assert recall(Whitening.fit(views, 4, "lw", pairs).apply(views)) > 0.8


def test_a_saved_whitening_loads_bit_for_bit(tmp_path: Path) -> None:
    whitening = Whitening.fit(sample(50, 6), 4, provenance={"collection": "made here"})
    whitening.save(tmp_path / "w.safetensors")
    loaded = Whitening.load(tmp_path / "w.safetensors")
    assert torch.equal(loaded.mean, whitening.mean) and torch.equal(loaded.projection, whitening.projection)
    assert loaded.provenance["collection"] == "made here" and loaded.kind == "pcaw"


def test_invalid_data_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="at least two"):
        Whitening.fit(torch.zeros(1, 4), 2)
    with pytest.raises(WorkbenchError, match="finite"):
        Whitening.fit(torch.tensor([[1.0, float("nan")], [0.0, 1.0]]), 2)
    with pytest.raises(WorkbenchError, match="all 5 vectors are the same"):
        Whitening.fit(torch.ones(5, 4), 2)
    with pytest.raises(WorkbenchError, match="all 5 vectors are the same"):  # equal up to rounding
        Whitening.fit(torch.ones(5, 4) + 1e-7 * torch.rand(5, 4), 2)
    with pytest.raises(WorkbenchError, match="matching pairs"):
        Whitening.fit(sample(5, 4), 2, "lw")
    (tmp_path / "text.safetensors").write_text("no whitening")
    with pytest.raises(WorkbenchError, match="not a saved whitening"):
        Whitening.load(tmp_path / "text.safetensors")


@pytest.mark.parametrize(("n", "channels"), [(3000, 300), (200, 300)])
def test_small_eigenvalues_have_double_precision_accuracy(n: int, channels: int) -> None:
    """Deviations from 1 down to 0.01: whitening amplifies errors in small eigenvalues."""
    generator = torch.Generator().manual_seed(1)
    spread = torch.logspace(0, -2, channels)
    x = torch.randn(n, channels, generator=generator) * spread
    size = 150
    centred = x.double() - x.double().mean(0)
    _, values, directions = torch.linalg.svd(centred, full_matrices=False)
    expected = centred @ directions[:size].T / values[:size] * n**0.5
    actual = Whitening.fit(x, size, "pcaw").apply(x).double()
    torch.testing.assert_close(
        actual @ actual.T,
        expected @ expected.T,
        rtol=0,
        atol=5e-3 * float((expected @ expected.T).abs().max()),
    )
