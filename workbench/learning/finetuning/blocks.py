"""A network as a chain of blocks, the first of which are frozen and the last trained."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from workbench.config.errors import WorkbenchError
from workbench.features.backbones import BackboneCard
from workbench.features.network import run

Stage = tuple[str, torch.nn.Module]  # the path of a module, and the module
_NORMS = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.LayerNorm, torch.nn.GroupNorm)


def chain(model: torch.nn.Module, card: BackboneCard, layer: str | None) -> list[Stage]:
    """The modules whose outputs, each the input of the next, end in the map of ``layer``.

    This is verified on a random image. Raises WorkbenchError if the network is no such chain, as
    transformers.
    """
    if card.library == "open_clip":
        raise WorkbenchError(
            f"{card.model} is a vision-language model, whose images would leave the space of its texts; "
            "fine-tune a convolutional network"
        )
    side = max(64, 4 * card.stride)
    values = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    stages = []
    with torch.inference_mode():
        wanted = run(model.eval(), layer, values)
        for path, module in _flatten(model):
            try:
                values = module(values)
            except Exception:  # modules raise any error on input that is not meant for them
                break
            stages.append((path, module))
            if torch.equal(values, wanted):
                return stages
    raise WorkbenchError(
        f"{card.model} is not one chain of blocks up to its layer {layer or 'of the last map'}, so it cannot "
        "be frozen in part; fine-tune a convolutional network at a layer that gives a map"
    )


def split(stages: list[Stage], blocks: int, name: str) -> tuple[str, torch.nn.Sequential]:
    """The path of the last frozen module, and the last ``blocks`` blocks as one module.

    A block is a convolution with the modules that follow it, or a residual unit. Raises WorkbenchError if the
    network ``name`` has too few blocks.
    """
    starts = [
        n
        for n, (_, module) in enumerate(stages)
        if not isinstance(module, _NORMS) and any(True for _ in module.parameters())
    ]
    if not 0 < blocks < len(starts):
        raise WorkbenchError(
            f"blocks {blocks}: of the {len(starts)} blocks of {name}, 1 to {len(starts) - 1} can be trained"
        )
    first = starts[-blocks]
    return stages[first - 1][0], torch.nn.Sequential(*(module for _, module in stages[first:]))


def _flatten(module: torch.nn.Module, path: str = "") -> Iterator[Stage]:
    for name, child in module.named_children():
        if isinstance(child, torch.nn.Sequential):
            yield from _flatten(child, f"{path}{name}.")
        else:
            yield f"{path}{name}", child
