"""Texts to vectors in the space of a vision–language model's images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.config.errors import WorkbenchError
from workbench.features import vision_language, weights
from workbench.features.backbones import BackboneSpec
from workbench.features.vision_language_model import load_model

_CACHED = 4096  # texts whose vectors are kept


class TextEncoder(NamedTuple):
    """The text encoder of a model, and its tokenizer: texts to numbers of tokens [N, L]."""

    model: Any
    tokenizer: Any


def encode_text(
    backbone: str | BackboneSpec, texts: Sequence[str], folder: Path | None = None, seed: int = 0
) -> NDArray[np.float32]:
    """Texts as unit vectors [N, C], in the space of the model's images.

    ``folder`` is the weights folder, ``seed`` that of random weights (``@random``). A text is cut off after
    the model's number of tokens. Raises WorkbenchError if one is empty, the backbone has no text encoder, or
    a file of it is not here.
    """
    spec = BackboneSpec.parse(backbone) if isinstance(backbone, str) else backbone
    if spec.card().library != "open_clip":
        raise WorkbenchError(
            f"backbone {spec.name!r} has no text encoder; valid: {', '.join(vision_language.VISION_LANGUAGE)}"
        )
    if not all(text.strip() for text in texts):
        raise WorkbenchError("the text is empty; write what the images should show")
    fingerprint = weights.fingerprint(spec, folder, seed)
    return np.stack([_vector(spec, folder, seed, fingerprint, text) for text in texts])


def text_length(spec: BackboneSpec, text: str, folder: Path | None = None, seed: int = 0) -> tuple[int, int]:
    """The number of tokens of a text that count, with the marks at its ends, and the most that can."""
    tokens = text_encoder(spec, folder, seed).tokenizer([text])[0]
    padding = int(tokens[-1]) if len(tokens) > 1 and tokens[-1] == tokens[-2] else -1
    return int((tokens != padding).sum()), len(tokens)


def text_encoder(spec: BackboneSpec, folder: Path | None = None, seed: int = 0) -> TextEncoder:
    """The text encoder of a model, kept in memory until its weights change."""
    return _encoder(spec, folder, seed, weights.fingerprint(spec, folder, seed))


@lru_cache(maxsize=_CACHED)
def _vector(
    spec: BackboneSpec, folder: Path | None, seed: int, fingerprint: str, text: str
) -> NDArray[np.float32]:
    encoder = _encoder(spec, folder, seed, fingerprint)
    with torch.inference_mode():
        vectors = encoder.model.encode_text(encoder.tokenizer([text])).float()
    return np.asarray(torch.nn.functional.normalize(vectors, dim=1)[0].numpy(), np.float32)


@lru_cache(maxsize=2)
def _encoder(spec: BackboneSpec, folder: Path | None, seed: int, fingerprint: str) -> TextEncoder:
    """The encoder of weights with that fingerprint."""
    card = spec.card()
    path = None if spec.random else weights.locate(spec, folder) or weights.download(spec, folder)
    tokenizer = _tokenizer(card.model, weights.folder(folder))
    model = load_model(card, path, seed, "text").requires_grad_(False)
    model.visual = None  # half of the memory
    return TextEncoder(model, tokenizer)


def _tokenizer(model: str, folder: Path | None) -> Any:
    """The tokenizer of a model: in open_clip, in the weights folder, or from the Hugging Face hub."""
    open_clip = vision_language.library()
    settings = open_clip.get_model_config(model)["text_cfg"]
    name = settings.get("hf_tokenizer_name")
    local = folder / f"clip-{model}-tokenizer" if folder is not None else None
    try:
        if name and local is not None and local.is_dir():
            return open_clip.HFTokenizer(
                str(local),
                context_length=settings.get("context_length", 77),
                tokenizer_mode=settings.get("tokenizer_mode"),
                **settings.get("tokenizer_kwargs", {}),
            )
        return open_clip.get_tokenizer(model)
    except Exception as error:  # the libraries of tokenizers raise any exception
        searched = f"{local} and " if local is not None else ""
        raise WorkbenchError(
            f"the tokenizer of {model!r} ({name}) is not here and could not be downloaded "
            f"({type(error).__name__}); looked in {searched}the Hugging Face cache. Run `workbench fetch "
            f"clip:{model}` with a network, or put its files into clip-{model}-tokenizer of the weights "
            "folder"
        ) from None
