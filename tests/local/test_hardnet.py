"""HardNet: size as in the paper, valid inputs, folding, files of other implementations, damaged files."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from tests.collections.test_hostile_pickles import Calls
from tests.local.test_patches import grey, scattered
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.device import single_threaded_operations
from workbench.local.hardnet import HardNet, PatchDescriber, card, load, load_describer, weight_path
from workbench.local.local_source import LocalSource
from workbench.local.patches import cut_patches


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """A network this small is faster with one thread, which leaves the other cores to other tests."""
    with single_threaded_operations():
        yield


def network(width: int = 4, seed: int = 0) -> HardNet:
    """A network with random weights and batch statistics, so that folding changes the weights."""
    generator = torch.Generator().manual_seed(seed)
    model = HardNet(width)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(0.5 + values.abs() if name.endswith("var") else 0.3 * values)
    return model.eval()


@lru_cache
def patches(count: int = 50, seed: int = 0) -> np.ndarray:
    return cut_patches(grey(), scattered(count, seed))


def test_parameters_and_flops_equal_those_of_the_paper() -> None:
    """Figure 2: 3x3 from 1 to 32, 32, 64, 64, 128, 128 channels, then 8x8 to 128."""
    channels = [1, 32, 32, 64, 64, 128, 128]
    small_kernels = sum(9 * a * b for a, b in pairwise(channels))
    parameters = small_kernels + 8 * 8 * 128 * 128
    assert sum(module.numel() for module in HardNet().parameters()) == parameters == 1_334_560
    assert not [module for module in HardNet().modules() if getattr(module, "bias", None) is not None]
    # Multiply-adds: the sides of the outputs are 32, 32, 16, 16, 8, 8 and 1.
    sides = [32, 32, 16, 16, 8, 8]
    multiplications = (
        sum(9 * a * b * side**2 for a, b, side in zip(channels, channels[1:], sides, strict=False))
        + 8 * 8 * 128 * 128
    )
    assert multiplications == 39_092_224
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        HardNet().eval()(torch.zeros(1, 32, 32))
    assert counter.get_total_flops() == 2 * multiplications  # 78 MFLOP


def test_a_network_of_half_the_width_has_less_than_half_the_parameters() -> None:
    channels = [1, 16, 16, 32, 32, 64, 64]
    small_kernels = sum(9 * a * b for a, b in pairwise(channels))
    assert (
        sum(parameter.numel() for parameter in HardNet(16).parameters())
        == small_kernels + 8 * 8 * 64 * 128
        == 595_856
    )


def test_parameter_names_equal_those_of_published_checkpoints() -> None:
    names = set(HardNet().state_dict())
    convolutions = {f"features.{n}.weight" for n in (0, 3, 6, 9, 12, 15, 19)}
    assert {name for name in names if name.endswith("weight")} == convolutions
    assert {
        f"features.{n}.running_{statistic}"
        for n in (1, 4, 7, 10, 13, 16, 20)
        for statistic in ("mean", "var")
    } < (names)


@given(st.integers(0, 99), st.sampled_from([0.5, 2.0]), st.integers(-100, 100))
@settings(max_examples=20, deadline=None)
def test_descriptors_are_invariant_to_brightness_and_contrast(
    seed: int, contrast: float, brightness: int
) -> None:
    model = network()
    inputs = torch.from_numpy(patches(4, seed)).float()
    inputs = inputs[inputs.std((1, 2)) > 3]
    expected, changed_light = model(inputs), model(contrast * inputs + brightness)
    torch.testing.assert_close(expected, changed_light, atol=1e-4, rtol=0)
    assert (expected[:-1] - expected[1:]).abs().amax() > 1e-2 if len(expected) > 1 else True


def test_descriptors_are_unit_vectors_independent_of_the_batch() -> None:
    model, inputs = network(), torch.from_numpy(patches())
    vectors = model(inputs)
    assert vectors.shape == (50, 128) and vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(50), atol=1e-5, rtol=0)
    torch.testing.assert_close(model(inputs[7:8]), vectors[7:8], atol=1e-5, rtol=0)


def test_constant_patches_have_equal_descriptors() -> None:
    plain = np.repeat(np.arange(256, dtype=np.uint8), 1024).reshape(256, 32, 32)
    vectors = PatchDescriber(network())(plain)
    assert np.isfinite(vectors).all()
    assert np.ptp(vectors, axis=0).max() < 1e-6


@pytest.mark.parametrize("width", [3, 4, 16])
def test_the_folded_network_gives_equal_descriptors(width: int) -> None:
    model, inputs = network(width), patches(300)
    with torch.no_grad():
        expected = model(torch.from_numpy(inputs)).numpy()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    describe = PatchDescriber(model)
    np.testing.assert_allclose(describe(inputs), expected, atol=1e-5)
    assert not [value for value in describe.model.modules() if isinstance(value, torch.nn.BatchNorm2d)]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert describe(inputs[:0]).shape == (0, 128) and describe(inputs[:0]).dtype == np.float32


# -- files --


def published(state: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint of an older torch, without counts of batches, saved with its epoch."""
    return {"epoch": 9, "state_dict": {k: v for k, v in state.items() if not k.endswith("tracked")}}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("kind", ["published", "plain", "half", "safetensors"])
def test_published_checkpoints_are_read(tmp_path: Path, kind: str, prefix: str) -> None:
    model = network(32 if kind == "published" else 5)
    state = {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}
    path = tmp_path / ("x.safetensors" if kind == "safetensors" else "x.pth")
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "half":
        torch.save({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, path)
    else:
        checkpoint: dict[Any, Any] = {**state, "epoch": 3, 7: "more"}
        torch.save(published(state) if kind == "published" else checkpoint, path)
    vectors = load_describer(path)(patches(20))
    with torch.no_grad():
        expected = model(torch.from_numpy(patches(20))).numpy()
    np.testing.assert_allclose(vectors, expected, atol=2e-3 if kind == "half" else 1e-5)
    assert weight_path(f"hardnet:{path}", tmp_path) == path and card(path) == {}


def lacking(name: str) -> Callable[[Path], None]:
    return lambda path: torch.save({k: v for k, v in network().state_dict().items() if k != name}, path)


def changed(name: str, shape: tuple[int, ...]) -> Callable[[Path], None]:
    return lambda path: torch.save({**network().state_dict(), name: torch.zeros(shape)}, path)


def truncated(path: Path) -> None:
    torch.save(network().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        pytest.param(lambda path: None, "are missing", id="missing"),
        pytest.param(lambda path: path.mkdir(), "are missing", id="folder"),
        pytest.param(lambda path: path.write_bytes(b""), "cannot be read|refused", id="empty"),
        pytest.param(truncated, "cannot be read", id="truncated"),
        pytest.param(lambda path: path.write_text("text " * 99), "refused", id="text"),
        pytest.param(lambda path: torch.save(torch.zeros(3), path), "no table of tensors", id="tensor"),
        pytest.param(lambda path: torch.save([1, 2], path), "no table of tensors", id="list"),
        pytest.param(
            lambda path: torch.save({0: torch.zeros(1)}, path), "is not a HardNet", id="numbers as names"
        ),
        pytest.param(
            lambda path: torch.save({"features.0.weight": "x"}, path),
            "is not a HardNet",
            id="words as tensors",
        ),
        pytest.param(
            lambda path: torch.save(torch.nn.Conv2d(3, 8, 3).state_dict(), path),
            "is not a HardNet",
            id="other",
        ),
        pytest.param(changed("features.0.weight", (4, 3, 3, 3)), "is not a HardNet", id="of colours"),
        pytest.param(changed("features.0.weight", (0, 1, 3, 3)), "is not a HardNet", id="no channels"),
        pytest.param(changed("features.0.weight", ()), "is not a HardNet", id="a number"),
        pytest.param(lacking("features.9.weight"), r"lacks 'features\.9\.weight'", id="lacks a convolution"),
        pytest.param(lacking("features.20.running_var"), "lacks 'features.20", id="lacks a statistic"),
        pytest.param(changed("features.6.weight", (8, 4, 5, 5)), r"does not fit.*features\.6", id="5x5"),
        pytest.param(changed("features.0.weight", (6, 1, 3, 3)), "does not fit", id="wider at first"),
        # a network of this width would take terabytes
        pytest.param(changed("features.0.weight", (300_000, 1, 3, 3)), "does not fit", id="enormous"),
    ],
)
def test_a_file_without_a_hardnet_is_refused_in_one_sentence(
    tmp_path: Path, write: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "x.pth"
    write(path)
    with pytest.raises(WorkbenchError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    with pytest.raises(WorkbenchError):
        load_describer(path)


def test_files_with_pickled_objects_are_refused_without_running_them(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hostile = {**network().state_dict(), "more": Calls(os.system, f"touch {trace}")}
    torch.save(hostile, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(hostile))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(WorkbenchError, match="holds more than tensors and is refused"):
            load(tmp_path / name)
    assert not trace.exists()


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    path, inputs = tmp_path / "x.safetensors", patches(5)
    save_file(network(4, 0).state_dict(), path)
    first = load_describer(path)
    assert load_describer(path) is first
    time.sleep(0.01)  # file systems have coarse clocks
    save_file(network(4, 1).state_dict(), path)
    assert np.abs(load_describer(path)(inputs) - first(inputs)).max() > 0.01


def test_invalid_names_of_hardnets_are_reported(tmp_path: Path) -> None:
    assert weight_path("sift", tmp_path) is None
    with pytest.raises(WorkbenchError, match=r"'hardnet:mine': .* is missing; train it .* --name mine"):
        weight_path("hardnet:mine", tmp_path)
    with pytest.raises(WorkbenchError, match=r"nothing\.pth.* cannot be read"):
        LocalSource(f"hardnet:{tmp_path}/nothing.pth", Options(cache=tmp_path))
    (tmp_path / "learned").mkdir()
    save_file({"hidden": torch.zeros(3)}, tmp_path / "learned" / "mine.safetensors")
    with pytest.raises(WorkbenchError, match="is not a HardNet"):
        LocalSource("hardnet:mine", Options(cache=tmp_path)).describe()
