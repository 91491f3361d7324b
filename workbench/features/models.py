"""Networks of backbones with their weights."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

from workbench.common.lazy import import_after_torchvision
from workbench.config.errors import WorkbenchError
from workbench.features.backbones import DETECTORS, BackboneCard, BackboneSpec
from workbench.features.network import Network, check_layer, run
from workbench.features.vision_language_model import load_model
from workbench.features.weights import download, locate, read_tensors


def load_network(
    spec: BackboneSpec, layer: str | None, weights: Path | None, device: str, precision: str, seed: int
) -> Network:
    """Build a backbone with its weights, cut off at ``layer``. Raises WorkbenchError if they do not fit."""
    return Network(load_backbone(spec, layer, weights, seed), spec.card(), layer, device, precision)


def load_backbone(spec: BackboneSpec, layer: str | None, weights: Path | None, seed: int) -> Any:
    """Build a whole backbone with its weights, for training; weights may be missing only after ``layer``."""
    import torch

    card = spec.card()
    if card.library == "open_clip":
        return _load_image_tower(spec, card, layer, weights, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_random(card)
    check_layer(model, card, layer)
    if not spec.random:
        path = locate(spec, weights) or download(spec, weights)
        if spec.name == "efficientnet_lite0":
            _load_in_order(model, path)
        else:
            _load_by_name(model, path, card, layer)
    return model


def _load_image_tower(
    spec: BackboneSpec, card: BackboneCard, layer: str | None, weights: Path | None, seed: int
) -> Any:
    """Build the image encoder of a vision–language model."""
    from workbench.features.image_tower import image_tower

    path = None if spec.random else locate(spec, weights) or download(spec, weights)
    tower = image_tower(load_model(card, path, seed, "visual").visual)
    check_layer(tower, card, layer)
    return tower


def build_random(card: BackboneCard) -> Any:
    """Build a backbone with random weights, as its library does."""
    if card.library == "timm":
        timm = import_after_torchvision("timm")

        # By default, transformers are built for one size of image.
        for option in ("dynamic_img_size", "strict_img_size"):
            try:
                arguments: dict[str, Any] = {option: option == "dynamic_img_size"}
                return timm.create_model(card.model, pretrained=False, **arguments)
            except TypeError:  # this family of models has no such option
                continue
        return timm.create_model(card.model, pretrained=False)
    import torchvision

    if card.model in DETECTORS:
        import torch

        # Under its name in the detector, so that it loads the weights of the detector.
        return torch.nn.Sequential(OrderedDict(backbone=detector(card.model).backbone))
    return torchvision.models.get_model(card.model, weights=None)


def detector(model: str) -> Any:
    """Build one of torchvision's detectors with random weights."""
    import torchvision

    return torchvision.models.get_model(model, weights=None, weights_backbone=None)


def _load_in_order(model: Any, path: Path) -> None:
    """Load the embedded file, whose tensors have other names than timm's, but the same order and shapes."""
    tensors = [
        tensor for name, tensor in read_tensors(path).items() if not name.endswith("num_batches_tracked")
    ]
    names = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    state = dict(zip(names, tensors, strict=True))
    missing = model.load_state_dict(state, strict=False).missing_keys
    if any(not name.endswith("num_batches_tracked") for name in missing):
        raise WorkbenchError(
            f"the embedded weights do not fit timm's model: {missing[:3]}; reinstall both packages"
        )


def _load_by_name(model: Any, path: Path, card: BackboneCard, layer: str | None) -> None:
    """Load the tensors of a file. Raises WorkbenchError if one that ``layer`` needs is missing."""
    import torch

    state = read_tensors(path)
    if card.library == "timm" and hasattr(model, "pretrained_cfg"):
        import sys

        adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
        try:
            state = adapt(state, model) if adapt else state
        except Exception as error:  # it expects the entries of timm's own files
            raise WorkbenchError(
                f"weight file {str(path)!r} does not fit {card.model} ({type(error).__name__})"
            ) from None
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    try:
        missing = set(model.load_state_dict(state, strict=False).missing_keys)
    except RuntimeError as error:
        reason = str(error).split("\n")[1].strip() if "\n" in str(error) else str(error)
        raise WorkbenchError(f"weight file {str(path)!r} does not fit {card.model}: {reason}") from None
    missing = {name for name in missing if not name.endswith("num_batches_tracked")}
    if not missing:
        return
    needed: set[str] = set()
    hooks = [
        module.register_forward_pre_hook(lambda m, i, name=name: needed.add(name))
        for name, module in model.named_modules()
    ]
    side = max(64, 4 * card.stride)
    with torch.inference_mode():
        run(model.eval(), layer, torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    lacking = sorted(name for name in missing if name.rpartition(".")[0] in needed)
    if lacking:
        raise WorkbenchError(
            f"weight file {str(path)!r} lacks {lacking[0]!r}, which layer "
            f"{layer or 'of the last map'} needs; "
            "choose an earlier layer with @LAYER, or fetch the full weights"
        )
