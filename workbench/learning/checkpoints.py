"""Checkpoints of a training: safetensors files with JSON in their metadata, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from workbench.common.checksums import intact, sealed
from workbench.common.damage import DAMAGE
from workbench.common.files import replace_file
from workbench.common.text import parse_json

Tensors = dict[str, torch.Tensor]


def to_bytes(tensors: Tensors, metadata: dict[str, str]) -> bytes:
    """Serialise tensors and metadata with a checksum; equal input gives equal bytes."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return b"".join(sealed(save(contiguous, metadata)))


@dataclass(frozen=True)
class Checkpoint:
    """State of a training after an epoch.

    ``plan`` holds data, settings and seed: a training continues only from a checkpoint of an equal plan.
    ``epochs`` are the finished epochs as dictionaries, ``model`` the weights, ``optimiser`` the state of each
    parameter by its number, ``scaler`` the state of the gradient scaler. ``best`` holds the weights of the
    best epoch where the training returns those instead of the last.
    """

    plan: dict[str, Any]
    epochs: list[dict[str, Any]]
    model: Tensors
    optimiser: dict[int, Tensors]
    scaler: dict[str, Any] = field(default_factory=dict)
    best: Tensors = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the file atomically. Raises WorkbenchError if the disk is full."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for number, state in self.optimiser.items():
            tensors |= {f"optimiser.{number}.{name}": tensor for name, tensor in state.items()}
        header = {"plan": self.plan, "epochs": self.epochs, "scaler": self.scaler}
        replace_file(path, to_bytes(tensors, {"said": json.dumps(header)}))

    @classmethod
    def load(cls, path: Path) -> Checkpoint | None:
        """Read a checkpoint; None if the file is missing, damaged or something else."""
        try:
            if not intact(path):
                return None
            with safe_open(str(path), framework="pt") as file:
                header = _header(file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            groups: dict[str, Tensors] = {"model": {}, "best": {}, "optimiser": {}}
            for name, tensor in _current_names(tensors).items():
                kind, _, rest = name.partition(".")
                groups[kind][rest] = tensor
            optimiser: dict[int, Tensors] = {}
            for name, tensor in groups["optimiser"].items():
                number, _, key = name.partition(".")
                optimiser.setdefault(int(number), {})[key] = tensor
            return cls(
                dict(header["plan"]),
                [dict(epoch) for epoch in header["epochs"]],
                groups["model"],
                optimiser,
                dict(header.get("scaler", {})),
                groups["best"],
            )
        except DAMAGE:
            return None

    def fits(self, plan: Mapping[str, Any], model: torch.nn.Module) -> bool:
        """Whether it belongs to an equal plan and a model with tensors of the same names and shapes."""
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        weights = [self.model, self.best] if self.best else [self.model]
        same_weights = all({name: t.shape for name, t in state.items()} == shapes for state in weights)
        return same_weights and self.plan == json.loads(json.dumps(plan))


def read_header(path: Path) -> dict[str, Any] | None:
    """Read ``plan`` and ``epochs`` of a checkpoint without its tensors; None if it is damaged or missing."""
    try:
        with safe_open(str(path), framework="pt") as file:
            header = _header(file.metadata() or {})
        return {"plan": dict(header["plan"]), "epochs": [dict(epoch) for epoch in header["epochs"]]}
    except DAMAGE:
        return None


# Attention checkpoints of version 0.1 had a format of their own: metadata ``plan`` and ``epochs``, and
# tensors now.NAME, best.NAME and adam.NAME.KEY. A training stopped with that version continues with this one.


def _header(metadata: Mapping[str, str]) -> dict[str, Any]:
    if "said" in metadata:
        return dict(parse_json(metadata["said"]))
    plan = parse_json(metadata["plan"])
    return {"plan": {**plan["about"], "seed": plan["seed"]}, "epochs": parse_json(metadata["epochs"])}


def _current_names(tensors: Tensors) -> Tensors:
    names = sorted(name.removeprefix("now.") for name in tensors if name.startswith("now."))
    if not names:
        return tensors
    renamed = {f"model.{name}": tensors[f"now.{name}"] for name in names}
    renamed |= {name: tensor for name, tensor in tensors.items() if name.startswith("best.")}
    for name, tensor in tensors.items():
        if name.startswith("adam."):
            _, parameter, key = name.split(".")
            renamed[f"optimiser.{names.index(parameter)}.{key}"] = tensor
    return renamed
