"""A network cut off at a layer: images to feature maps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from workbench.config.errors import WorkbenchError
from workbench.features.backbones import BackboneCard

_PROBE = 224  # pixels of a side of the picture that shows whether a layer gives vectors


def check_layer(model: torch.nn.Module, card: BackboneCard, layer: str | None) -> None:
    """Raise WorkbenchError if a network has no module of that path."""
    if layer is not None and not any(layer == path for path, _ in model.named_modules()):
        valid = [*card.layers, *(path for path, _ in model.named_children())]
        raise WorkbenchError(
            f"layer {layer!r} is not in {card.model}; valid: {', '.join(valid)}, or the path of a module"
        )


class UnsuitableSize(WorkbenchError):
    """A network cannot take images of this size."""


class _Reached(Exception):
    """Raised at the layer to end the forward pass, so that later layers are not computed."""

    def __init__(self, output: Any) -> None:
        self.output = output


class Network:
    """A backbone on a device, cut off at a layer: images to feature maps.

    Call it with uint8 images [B, H, W, 3]; it returns maps [B, C, h, w] in its precision. The vectors
    [B, D] of a fully connected layer are returned as maps [B, D, 1, 1], the tokens of a transformer on
    their grid.
    """

    def __init__(
        self, model: torch.nn.Module, card: BackboneCard, layer: str | None, device: str, precision: str
    ) -> None:
        self.device, self.stride, self.layer = torch.device(device), card.stride, layer
        self.name, self.runtime = card.model, f"torch {torch.__version__}"
        self.dtype = getattr(torch, precision)
        model.eval().requires_grad_(False)
        normalised = any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())
        if normalised and (layer is None or not isinstance(model.get_submodule(layer), torch.nn.Conv2d)):
            probe = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
            model = _fold_batch_norm(model, lambda m: run(m, layer, probe))
        if layer is not None:  # the hook stays, because threads share the model
            model.get_submodule(layer).register_forward_hook(_stop)
        self.model = model.to(self.device, self.dtype).to(memory_format=torch.channels_last)
        self.mean = torch.tensor(card.mean, device=self.device) * 255
        self.scale = 1 / (torch.tensor(card.std, device=self.device) * 255)

    def gives_vectors(self) -> bool:
        """Whether the layer gives a vector for each image, as fully connected layers do, and not a map.

        A map of a single cell, of a very small image, is no vector: only the layer decides.
        """
        if self.layer is None:
            return False
        picture = torch.zeros(1, 3, _PROBE, _PROBE, device=self.device, dtype=self.dtype)
        try:
            with torch.inference_mode():
                return int(_output(self.model, self.layer, picture).ndim) == 2
        except (AssertionError, RuntimeError):  # a network that takes only one size of image
            return False

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            pixels = images.to(self.device, torch.float32).sub_(self.mean).mul_(self.scale)
            try:
                return forward(self.model, self.layer, pixels.to(self.dtype).permute(0, 3, 1, 2))
            except torch.OutOfMemoryError:
                raise
            except (AssertionError, RuntimeError) as error:  # some networks take only one size of image
                height, width = images.shape[1:3]
                reason = str(error).split("\n")[0]
                raise UnsuitableSize(
                    f"{self.name} cannot take images of {width}x{height} pixels ({reason}); "
                    "choose another --size or another backbone"
                ) from None


def run(model: Any, layer: str | None, inputs: torch.Tensor) -> torch.Tensor:
    """Normalised images [B, 3, H, W] to maps of the layer; later layers are not run. Not thread-safe."""
    if layer is None:
        return forward(model, layer, inputs)
    with model.get_submodule(layer).register_forward_hook(_stop):
        return forward(model, layer, inputs)


def _output(model: Any, layer: str | None, inputs: torch.Tensor) -> Any:
    if layer is None:
        return model.forward_features(inputs)
    try:
        return model(inputs)
    except _Reached as reached:
        return reached.output


def forward(model: Any, layer: str | None, inputs: torch.Tensor) -> torch.Tensor:
    """Normalised images [B, 3, H, W] to maps, of a model with a hook that ends its pass at the layer."""
    output = _output(model, layer, inputs)
    # A module inside a transformer may have another order of axes than the whole network.
    part = model if layer is None else model.get_submodule(layer)
    channels_last = str(getattr(part, "output_fmt", getattr(model, "output_fmt", ""))).endswith("NHWC")
    return _as_map(output, model, inputs.shape[2:], channels_last)


def _stop(module: Any, inputs: Any, output: Any) -> None:
    raise _Reached(output)


def _as_map(output: Any, model: Any, size: Sequence[int], channels_last: bool) -> torch.Tensor:
    if output.ndim == 4:
        return output.permute(0, 3, 1, 2) if channels_last else output
    if output.ndim == 2:
        return output[:, :, None, None]
    if output.ndim == 3:
        prefix = getattr(model, "num_prefix_tokens", 0)
        height, width = model.patch_embed.dynamic_feat_size(tuple(size))
        return output[:, prefix:].transpose(1, 2).unflatten(2, (height, width))
    raise WorkbenchError(
        f"the layer's output has {output.ndim} dimensions; choose a layer whose output is a map or a vector"
    )


def _fold_batch_norm(model: torch.nn.Module, run: Callable[[Any], torch.Tensor]) -> torch.nn.Module:
    """Fold each batch normalisation into the convolution before it, if the output stays the same.

    In evaluation mode both are linear, so that one pass over memory is saved. The result would be wrong for
    a network whose modules do not run in the order of their definition, so the outputs are compared.
    """

    def fold(module: torch.nn.Module) -> None:
        last: tuple[str, torch.nn.Conv2d] | None = None
        for name, child in list(module.named_children()):
            if (
                last
                and isinstance(child, torch.nn.BatchNorm2d)
                and last[1].out_channels == child.num_features
            ):
                setattr(module, last[0], fuse_conv_bn_eval(last[1], child))
                # timm's normalisation layers contain their activation
                setattr(module, name, getattr(child, "act", None) or torch.nn.Identity())
            else:
                fold(child)
            last = (name, child) if isinstance(child, torch.nn.Conv2d) else None

    folded = copy.deepcopy(model)
    fold(folded)
    try:
        with torch.inference_mode():
            expected, output = run(model), run(folded)
    except (AssertionError, AttributeError, RuntimeError):  # another size of image, or the layer was folded
        return model
    same = torch.allclose(expected, output, rtol=1e-3, atol=1e-4 * float(expected.abs().max() + 1e-12))
    return folded if same else model
