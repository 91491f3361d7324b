"""A vision–language model of open_clip with its weights."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from workbench.config.errors import WorkbenchError
from workbench.features.backbone_card import BackboneCard
from workbench.features.vision_language import ModelName, library, quick_gelu
from workbench.features.weights import read_tensors


def load_model(card: BackboneCard, path: Path | None, seed: int, side: Literal["visual", "text"]) -> Any:
    """Build a model with the weights of a file, or with random ones, of which one ``side`` is used.

    Raises WorkbenchError if the file lacks weights of that side, or the model needs files of the Hugging Face
    hub that are not here.
    """
    import torch

    name = ModelName(card.model, card.published)
    with torch.random.fork_rng(devices=[]), _without_log():
        torch.manual_seed(seed)
        try:
            model = (
                library()
                .create_model(name.model, force_quick_gelu=quick_gelu(name), pretrained_text=False)
                .eval()
            )
        except Exception as error:  # the libraries of its parts raise any exception without a network
            raise WorkbenchError(
                f"{name.model} could not be built ({type(error).__name__}): open_clip downloads the settings "
                f"of its text encoder; run `workbench fetch clip:{name.model}` with a network"
            ) from None
    if path is None:
        return model
    try:
        missing = model.load_state_dict(_adapted(read_tensors(path), model), strict=False).missing_keys
    except WorkbenchError:
        raise
    except Exception as error:  # the conversions expect the entries of published files
        reason = str(error).split("\n")
        raise WorkbenchError(
            f"weight file {str(path)!r} does not fit {name.model}: {reason[min(1, len(reason) - 1)].strip()}"
        ) from None
    lacking = [key for key in missing if key.startswith("visual.") == (side == "visual") and _needed(key)]
    if lacking:
        part = "image" if side == "visual" else "text"
        raise WorkbenchError(
            f"weight file {str(path)!r} lacks {lacking[0]!r}, which the {part} encoder of {name.model} "
            "needs; fetch the weights of the whole model"
        )
    return model


def _needed(key: str) -> bool:
    """Whether an encoder uses a tensor; the others scale scores, count batches or write captions."""
    last = key.rpartition(".")[2]
    unused = ("num_batches_tracked", "logit_scale", "logit_bias", "attn_mask", "position_ids")
    return last not in unused and not key.startswith("text_decoder.")


def _adapted(state: dict[str, Any], model: Any) -> dict[str, Any]:
    """Published tensors under the names and shapes of the model, as open_clip's ``load_checkpoint`` does."""
    convert, models = (importlib.import_module(f"open_clip.{part}") for part in ("convert", "model"))
    state = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    state = convert.convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = models.convert_to_custom_text_state_dict(state)
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    for key in ("logit_scale", "logit_bias"):
        if key in state and getattr(model, key, None) is not None:
            state[key] = state[key].reshape(getattr(model, key).shape)
    models.resize_pos_embed(state, model)
    models.resize_text_pos_embed(state, model)
    return state


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    """Hide open_clip's warning that weights are random: the workbench says it beside every number."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)
