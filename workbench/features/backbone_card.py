"""The card of a backbone: library, model, layers and the pictures that it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class FixedInput:
    """The only input of a network: ``side`` x ``side`` pixels, and how a picture is fitted into it.

    ``squash`` changes the aspect ratio; ``shortest`` keeps it, and cuts off all but the central square.
    """

    side: int
    fit: Literal["squash", "shortest"]


@dataclass(frozen=True)
class BackboneCard:
    """The table entry of a backbone. ``layer`` is the layer it is cut at without ``@LAYER``."""

    title: str
    library: Literal["torchvision", "timm", "local", "open_clip"]
    model: str
    stride: int  # pixels per cell
    layer: str | None = None  # None: the network's forward_features
    layers: dict[str, str] = field(default_factory=dict)  # common name → path of the module
    code: str | None = None  # the default layer of ``code`` pooling
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    patches: bool = False  # a transformer, which takes only images of whole cells
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    code_input: FixedInput | None = None  # the input of the layer ``code``; None: any size
    map_input: FixedInput | None = None  # the input of all other layers
    published: str | None = None  # which of the published weights of the model, in open_clip
    weights: str | None = (
        None  # their repository (timm) or file name, so that no library is asked; None: unknown
    )

    def fixed_input(self, layer: str | None) -> FixedInput | None:
        """The only input of the network cut at a layer (the path of its module); None: any size."""
        is_code = self.code is not None and layer == self.layers.get(self.code, self.code)
        return self.code_input if is_code else self.map_input
