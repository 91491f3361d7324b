"""Parts of fine-tuning: losses by hand, batches, held-out images, views and chains of blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import workbench
from tests.support.pictures import folder_of, picture
from workbench.collections.folder import open_folder
from workbench.config.errors import WorkbenchError
from workbench.features import models
from workbench.features.backbones import BackboneSpec
from workbench.learning.finetuning import losses
from workbench.learning.finetuning.augmentation import view
from workbench.learning.finetuning.blocks import chain, split
from workbench.learning.finetuning.model import mean_ap
from workbench.learning.finetuning.sampler import batches_by_class
from workbench.learning.finetuning.training_set import hold_out, labelled

KINDS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("kinds"), 32, kinds=KINDS)


# -- losses, by hand: unit vectors at 0°, 60° (class 0) and 90° (class 1) --

VECTORS = torch.tensor([[1.0, 0.0], [0.5, 3**0.5 / 2], [0.0, 1.0]])
CLASSES = torch.tensor([0, 0, 1])
MATCH, NEAR = 1.0, 2 * np.sin(np.pi / 12)  # distances of 0° to 60°, and of 60° to 90°


def test_contrastive_loss_uses_the_hardest_mismatch_of_each_vector() -> None:
    # The only mismatch of 0° is 90°, at the distance √2, beyond the margin.
    pushed = losses.CONTRASTIVE_MARGIN - NEAR  # of 60° and 90°, each the nearest mismatch of the other
    value = losses.loss("contrastive", 2, 2)(VECTORS, CLASSES)
    assert float(value) == pytest.approx(MATCH + pushed, abs=1e-5)


def test_triplet_loss_uses_the_triplets_that_violate_the_margin() -> None:
    # Of the two triplets, (0°, 60°, 90°) satisfies the margin by √2 - 1; (60°, 0°, 90°) does not.
    value = losses.loss("triplet", 2, 2)(VECTORS, CLASSES)
    assert float(value) == pytest.approx(MATCH - NEAR + losses.TRIPLET_MARGIN, abs=1e-5)


def test_an_untrained_classifier_has_the_loss_of_chance() -> None:
    value = losses.loss("classification", 2, 5)(VECTORS, CLASSES)
    assert value.item() == pytest.approx(np.log(5), abs=1e-6)


def test_mean_ap_of_vectors_by_hand() -> None:
    # 0° ranks 60° before 90°: 1. 60° ranks 90° before 0°: 1/2. 90° has no positive.
    assert mean_ap(VECTORS, CLASSES.numpy()) == pytest.approx(0.75)


# -- batches, held-out images and views --


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=8),
    st.integers(2, 5),
    st.integers(2, 4),
    st.integers(0, 99),
)
def test_every_batch_has_several_classes_of_equal_count(
    sizes: list[int], per_batch: int, per_class: int, seed: int
) -> None:
    classes = np.repeat(np.arange(len(sizes)), sizes)
    batches = batches_by_class(classes, per_batch, per_class, (seed,))
    for batch in batches:
        classes_of_batch, counts = np.unique(classes[batch], return_counts=True)
        assert 2 <= len(classes_of_batch) <= per_batch
        assert (counts == per_class).all()
    left_out = set(range(len(classes))) - set(np.concatenate(batches).tolist())
    assert len(set(classes[list(left_out)].tolist())) <= 1  # one class remains, which has no mismatch
    assert all(
        (a == b).all()
        for a, b in zip(batches, batches_by_class(classes, per_batch, per_class, (seed,)), strict=True)
    )


def test_two_images_of_each_class_are_never_held_out(folder: Path) -> None:
    data = labelled(open_folder(folder, "folders"))
    training, held = hold_out(data, 0.9, 0)
    assert np.bincount(data.classes[training]).tolist() == [2] * KINDS
    assert np.bincount(data.classes[held]).tolist() == [6] * KINDS
    assert not set(training) & set(held)


def test_posters_are_labelled_by_query(posters_cache: Path) -> None:
    bench = workbench.open("posters", cache=posters_cache)
    data = labelled(bench.collection)
    assert len(data.names) == len(bench.collection.queries)
    assert all(data.pictures[row].box for row, name in enumerate(data.ids) if name.startswith("queries/"))


def test_views_differ_by_seed_and_are_reproducible() -> None:
    image = picture(0, (300, 90))
    first, other, repeated = (view(image, 64, np.random.default_rng(seed)) for seed in (1, 2, 1))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert (first == repeated).all() and (first != other).any()


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "mobilenet_v2", "vgg16", "convnext_tiny"])
def test_backbones_are_chains_of_blocks(name: str) -> None:
    spec = BackboneSpec(name, random=True)
    layer = spec.module("gem")
    model = models.load_backbone(spec, layer, None, 0)
    stages = chain(model, spec.card(), layer)
    cut, last = split(stages, 2, name)
    trained = {id(parameter) for parameter in last.parameters()}
    assert 0 < len(trained) < len(list(model.parameters()))
    assert not trained & {id(parameter) for parameter in model.get_submodule(cut).parameters()}


def test_a_transformer_is_refused() -> None:
    spec = BackboneSpec("timm:test_vit", random=True)
    with pytest.raises(WorkbenchError, match="not one chain of blocks"):
        chain(models.load_backbone(spec, None, None, 0), spec.card(), None)
