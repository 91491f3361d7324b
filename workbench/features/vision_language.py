"""Vision–language models of open_clip: ``clip:NAME[:WEIGHTS]`` and ``siglip:NAME[:WEIGHTS]``.

Such a model has an image and a text encoder whose vectors are compared by their cosine (CLIP: Radford et
al., ICML 2021; SigLIP: Zhai et al., ICCV 2023). NAME is a model of open_clip, WEIGHTS one of its published
weights, by default the first in open_clip's list. ``clip:`` takes every model, ``siglip:`` those trained by
SigLIP's loss, whose name may be shortened: ``siglip:ViT-B-16`` is ``siglip:ViT-B-16-SigLIP``.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from workbench.common.lazy import import_after_torchvision
from workbench.common.packages import import_extra, installed
from workbench.config.errors import WorkbenchError
from workbench.config.steps import VISION_LANGUAGE
from workbench.features.backbone_card import BackboneCard, FixedInput

EMBEDDING = "embedding"  # the layer that gives the image's vector in the space of texts
# Families of timm that take any size: convolutional, or with positions that can be interpolated.
_ANY_SIZE = ("convnext", "fastvit", "vision_transformer")


class ModelName(NamedTuple):
    """A model of open_clip, and the name of its published weights; None if none are published."""

    model: str
    weights: str | None


def library() -> Any:
    """The module open_clip. Raises WorkbenchError with the command that installs it."""
    if installed("open_clip"):
        import_module("torchvision")  # first, as before timm
    return import_extra("clip", "vision–language models (clip:, siglip:)", "open_clip")


@lru_cache(maxsize=64)
def model_name(backbone: str) -> ModelName:
    """The model and the weights of ``clip:NAME[:WEIGHTS]``. Raises WorkbenchError if open_clip lacks them."""
    kind, _, rest = backbone.partition(":")
    name, _, weights = rest.partition(":")
    open_clip = library()
    known = open_clip.list_models()
    siglip = [model for model in known if "siglip" in model.lower()]
    if kind == "siglip":
        known = siglip
        name = f"{name}-SigLIP" if name not in known and f"{name}-SigLIP" in known else name
    if name not in known:
        similar = difflib.get_close_matches(name, known, 5, 0.3) or known[:5]
        raise WorkbenchError(
            f"open_clip has no {'SigLIP ' if kind == 'siglip' else ''}model {name!r}; similar: "
            f"{', '.join(similar)}"
        )
    published = open_clip.list_pretrained_tags_by_model(name)
    if weights and weights not in published:
        raise WorkbenchError(
            f"open_clip knows no weights {weights!r} of {name}; valid: {', '.join(published) or 'none'}"
        )
    return ModelName(name, weights or next(iter(published), None))


def published(name: ModelName) -> dict[str, Any]:
    """The entry of open_clip on published weights: address and preprocessing; empty if there are none."""
    return dict(library().get_pretrained_cfg(*name)) if name.weights else {}


def quick_gelu(name: ModelName) -> bool:
    """Whether the weights were trained with the approximation of GELU of the first CLIP models."""
    if name.weights is None:
        return bool(library().get_model_config(name.model).get("quick_gelu", False))
    return bool(published(name).get("quick_gelu", False))


def file_stems(backbone: str) -> list[str]:
    """The names, without suffix, of the files of a backbone in the weights folder, the best one first.

    Files without the name of the weights are those of the default weights.
    """
    name = model_name(backbone)
    default = model_name(f"clip:{name.model}").weights == name.weights
    stems = [f"{name.model}-{name.weights}"] if name.weights else []
    stems += [name.model] if default else []
    return [f"{kind}{stem}" for stem in stems for kind in ("clip-", "siglip-")]


def name_of_file(path: Path) -> str | None:
    """The backbone of a file ``clip-NAME[-WEIGHTS]``; None for other files, and without open_clip."""
    kind, _, rest = path.name.removesuffix(path.suffix).partition("-")
    if f"{kind}:" not in VISION_LANGUAGE or not installed("open_clip"):
        return None
    models = [model for model in library().list_models() if rest == model or rest.startswith(f"{model}-")]
    for model in sorted(models, key=len, reverse=True):
        weights = rest[len(model) + 1 :]
        if not weights or weights in library().list_pretrained_tags_by_model(model):
            return backbone_name(ModelName(model, weights or model_name(f"clip:{model}").weights))
    return None


@lru_cache(maxsize=64)
def card(backbone: str) -> BackboneCard:
    """The card of a model, with the preprocessing of its weights. Raises WorkbenchError if it is not known.

    Maps are made from pictures of any size where the network can take them, codes (the model's own image
    vectors) from the input that the model was trained with.
    """
    name = model_name(backbone)
    open_clip = library()
    vision: dict[str, Any] = open_clip.get_model_config(name.model)["vision_cfg"]
    settings = published(name)
    side, trunk = vision.get("image_size", 224), vision.get("timm_model_name")
    if not isinstance(side, int):
        raise WorkbenchError(f"{backbone}: images of {side} pixels, which are no squares, are not supported")
    if vision.get("attentional_pool") in ("parallel", "cascade"):
        raise WorkbenchError(f"{backbone}: its two attention poolings give no vector of a single cell")
    layers = {EMBEDDING: EMBEDDING}
    if trunk:
        stride, any_size = _timm_trunk(trunk)
    elif isinstance(vision["layers"], list):
        stride, any_size = 32, True
        layers |= {f"conv{n + 1}": f"visual.layer{n}" for n in range(1, 5)}
    else:
        stride, any_size = vision["patch_size"], True
        layers |= {f"block{n + 1}": f"visual.transformer.resblocks.{n}" for n in range(vision["layers"])}
    return BackboneCard(
        f"{name.model} ({name.weights or 'no published weights'}, open_clip)",
        "open_clip",
        name.model,
        stride,
        layers=layers,
        code=EMBEDDING,
        mean=tuple(settings.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        std=tuple(settings.get("std") or open_clip.OPENAI_DATASET_STD),
        patches=True,
        interpolation=settings.get("interpolation", "bicubic"),
        code_input=FixedInput(side, settings.get("resize_mode", "shortest")),
        map_input=None if any_size else FixedInput(side, "squash"),
        published=name.weights,
    )


def _timm_trunk(model: str) -> tuple[int, bool]:
    """The pixels per cell of a network of timm, and whether it takes images of any size."""
    import torch

    timm = import_after_torchvision("timm")

    with torch.device("meta"):
        trunk = timm.create_model(model, pretrained=False)
    family = type(trunk).__module__.rpartition(".")[2]
    info: Any = trunk.feature_info
    return int(info[-1]["reduction"]), family in _ANY_SIZE


def models_here(folder: Path | None) -> list[str]:
    """The backbones whose weights are in the weights folder or the Hugging Face cache.

    open_clip is imported only where a file or a folder there has a name of such a model.
    """
    if not installed("open_clip"):
        return []
    from huggingface_hub.constants import HF_HUB_CACHE

    paths = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
    names = [name for path in paths if path.is_file() and (name := name_of_file(path))]
    if any("clip" in path.name.lower() for path in Path(HF_HUB_CACHE).glob("models--*")):
        models = (ModelName(*entry) for entry in library().list_pretrained())
        names += [backbone_name(model) for model in models if cached(model)]
    return list(dict.fromkeys(names))


def backbone_name(name: ModelName) -> str:
    """The shortest name of a model with its weights: without those that are its default."""
    kind = "siglip" if "siglip" in name.model.lower() else "clip"
    default = model_name(f"clip:{name.model}").weights == name.weights
    return f"{kind}:{name.model}" + f":{name.weights}" * (name.weights is not None and not default)


def cached(name: ModelName) -> Path | None:
    """The weights of a model in the caches of its downloads; None if they are not there."""
    entry = published(name)
    repository, _, last = str(entry.get("hf_hub", "")).rpartition("/")
    if repository:
        from huggingface_hub import try_to_load_from_cache

        files = (
            [f"{Path(last).stem}.safetensors", last]
            if last
            else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
        )
        paths = [try_to_load_from_cache(repository, file) for file in files]
        return next((Path(path) for path in paths if isinstance(path, str)), None)
    last = str(entry.get("url", "")).rpartition("/")[2]
    path = Path("~/.cache/clip").expanduser() / last
    return path if last and path.is_file() else None


def download(name: ModelName) -> Path:
    """Download the weights of a model with open_clip, which raises any exception without a network."""
    return Path(library().download_pretrained(published(name)))
