"""Checkpoints: tensors as safetensors with plain JSON beside them, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from workbench.writing import replace_file

Tensors = dict[str, torch.Tensor]


def to_bytes(tensors: Tensors, metadata: dict[str, str]) -> bytes:
    """A safetensors file, always of the same bytes: the library orders its metadata at random."""
    plain = save({name: one.detach().cpu().contiguous() for name, one in tensors.items()})
    length = int.from_bytes(plain[:8], "little")
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(plain[8 : 8 + length])}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + plain[8 + length :]


def keep(path: Path, model: Tensors, optimiser: torch.optim.Optimizer, said: dict[str, Any]) -> None:
    """Write a checkpoint: the trained tensors, the optimiser's state, and whatever JSON can hold."""
    tensors = {f"model.{name}": one for name, one in model.items()}
    for number, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": value for name, value in values.items()}
    replace_file(path, to_bytes(tensors, {"said": json.dumps(said)}))


def resume(
    path: Path, model: torch.nn.Module, optimiser: torch.optim.Optimizer, plan: dict[str, Any]
) -> dict[str, Any] | None:
    """Take up a checkpoint of the same ``plan`` and return what was said in it; None where there is none."""
    try:
        with safe_open(str(path), framework="pt") as file:
            said = json.loads((file.metadata() or {})["said"])
            if said["plan"] != json.loads(json.dumps(plan)):
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    state: dict[int, Tensors] = {}
    for name, one in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimiser":
            number, _, key = rest.partition(".")
            state.setdefault(int(number), {})[key] = one
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return dict(said)
