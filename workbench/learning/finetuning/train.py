"""Fine-tuning a backbone for search, on a labelled collection: its last blocks, through the pooling."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.config import Config, WorkbenchError
from workbench.descriptors.attention import learned
from workbench.features import weights
from workbench.features.backbones import Spec, architecture
from workbench.features.maps import MapSource, Options, Picture
from workbench.learning import checkpoints
from workbench.learning.descent import Epoch, Settings, best, descend
from workbench.learning.finetuning import losses
from workbench.learning.finetuning.augmentation import frozen_views
from workbench.learning.finetuning.blocks import chain, split
from workbench.learning.finetuning.model import Tuned, mean_ap
from workbench.learning.finetuning.training_set import hold_out, labelled
from workbench.learning.workspace import alone, require_name
from workbench.progress import Progress, silent
from workbench.writing import replace_file

POOLINGS = ("max", "mean", "gem")  # CroW holds weights fixed, through which no gradient passes
LEAST = {"epochs": 1, "classes": 2, "each": 2, "views": 1, "side": 64, "patience": 1}


def finetune(
    collection: Collection,
    options: Options,
    name: str,
    backbone: str = "efficientnet_lite0",
    settings: Settings | None = None,
    progress: Progress = silent,
    report: Callable[[Epoch], None] = lambda epoch: None,
    command: str = "",
) -> Path:
    """Fine-tune a backbone on a labelled collection; the best epoch's file is the backbone ``file:PATH``.

    The blocks before the trained ones run once; their maps are kept in the cache, for other settings too.
    ``report`` hears of each epoch, number 0 being the untrained backbone. A checkpoint is kept after each:
    broken off at any moment, or cancelled by ``progress``, the same call goes on to the same result. Raises
    WorkbenchError where there are no labels, nothing to validate on, a diverging loss or a full disk.
    """
    settings = settings or Settings()
    source = MapSource.of(_checked(backbone, name, settings), options)
    data = labelled(collection, progress)
    training, held = hold_out(data, settings.held_out, options.seed)
    place = learned(options.cache, name)
    work = place.with_suffix(".training")
    if source.spec.name == f"file:{place}":
        raise WorkbenchError(f"{name!r} would overwrite the backbone it is trained from; choose another name")
    model = weights.whole(source.spec, source.layer, options.weights, options.seed)
    stages = chain(model, source.card, source.layer)
    cut, last = split(stages, settings.blocks, source.spec.name)
    frozen = MapSource(replace(source.spec, layer=cut), "", options)
    tuned = Tuned(last, Config.parse(f"x/{settings.pooling}/whole").pooling, source.device, source.precision)
    about = {
        **{"base": backbone, "weights": source.fingerprint, "layer": source.layer or "last"},
        **{"collection": collection.name, "labels": len(data.names), "notes": list(data.notes)},
        **{"images": len(training), "held_out_images": len(held), **asdict(settings)},
        **{"seed": options.seed, "size": options.size, "precision": source.precision},
    }
    pictures = [data.pictures[row] for row in training]
    seen = _digest(pictures, cut, source.fingerprint, source.precision, settings.side, options.seed)
    plan = {**about, "digest": _digest(data.pictures, data.classes.tolist())}

    def save(state: checkpoints.Tensors, epochs: Sequence[Epoch], kept: Epoch) -> None:
        figures = {"kept": kept.number, "figures": [asdict(epoch) for epoch in epochs]}
        said = json.dumps({**about, **figures, "command": command}, ensure_ascii=False)
        metadata = {"backbone": _network(source.spec), "card": said}
        replace_file(place, checkpoints.to_bytes(state, metadata))

    def publish(epochs: Sequence[Epoch]) -> None:
        parts = tuple(f"{path}." for path, _ in stages)
        trained = {key: one for key, one in model.state_dict().items() if key.startswith(parts)}
        save(trained, epochs, epochs[-1])

    with alone(work, name):
        if not place.is_file():  # taken away: what was best so far is not in the checkpoint
            (work / "checkpoint.safetensors").unlink(missing_ok=True)
        keys, lost = frozen.extract([data.pictures[row] for row in held], 1, progress)
        for row, why in lost.items():
            raise WorkbenchError(f"image {data.ids[held[row]]!r} cannot be used: {why}")
        views = frozen_views(
            frozen.network,
            pictures,
            settings.views,
            settings.side,
            options.seed,
            options.cache / "views" / seen,
            progress,
        )
        epochs = descend(
            tuned,
            losses.loss(settings.loss, tuned.channels(views[0]), len(data.names)),
            views,
            data.classes[training],
            lambda: _validation(tuned, frozen.batches(keys[0], 0), data.classes[held], progress),
            publish,
            settings,
            options.seed,
            work / "checkpoint.safetensors",
            plan,
            progress,
            report,
        )
        kept = best(epochs)
        if kept and kept != epochs[-1]:  # its card is to tell of the epochs after it, too
            save(load_file(place), epochs, kept)
        shutil.rmtree(work, ignore_errors=True)
    return place


def _checked(backbone: str, name: str, settings: Settings) -> Config:
    """The pipeline that is trained. Raises WorkbenchError where a setting cannot be."""
    require_name(name)
    config = Config.parse(f"{backbone}/{settings.pooling}/whole")
    if config.pooling.name not in POOLINGS:
        raise WorkbenchError(f"pooling {settings.pooling}: fine-tuning takes {', '.join(POOLINGS)}")
    if settings.loss not in losses.NAMES:
        raise WorkbenchError(f"loss {settings.loss!r} is not known; valid: {', '.join(losses.NAMES)}")
    for field, least in LEAST.items():
        if getattr(settings, field) < least:
            raise WorkbenchError(f"{field} {getattr(settings, field)}: take {least} or more")
    if not 0 < settings.rate < math.inf:
        raise WorkbenchError(f"rate {settings.rate:g}: take a number above 0")
    if not 0 < settings.held_out < 1:
        raise WorkbenchError(f"held_out {settings.held_out:g}: take a share between 0 and 1")
    return config


def _validation(
    tuned: Tuned, batches: Iterable[tuple[list[int], torch.Tensor]], classes: np.ndarray, progress: Progress
) -> float:
    """mAP of the pictures held out; nan where their descriptors are no longer numbers."""
    order: list[int] = []
    parts = []
    with torch.no_grad():
        for positions, maps in batches:
            progress("validating", len(order), len(classes))
            order += positions
            parts.append(tuned(maps).cpu())
    vectors = torch.cat(parts)
    return mean_ap(vectors, classes[order]) if bool(vectors.isfinite().all()) else math.nan


def card(path: Path) -> dict[str, Any]:
    """What a fine-tuned file says of itself: data, settings, seed, figures of each epoch, command."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(json.loads((file.metadata() or {})["card"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WorkbenchError(f"{str(path)!r} is no fine-tuned backbone ({type(error).__name__})") from None


def _network(spec: Spec) -> str:
    """The architecture, as the metadata of a weight file name it."""
    if spec.name.startswith("file:"):
        return architecture(Path(spec.name.removeprefix("file:")))
    return spec.name


def _digest(pictures: Sequence[Picture], *more: object) -> str:
    """Twelve hex digits that change with the pictures, and what else is given."""
    known = [(images.header(picture.path).fingerprint, picture.box) for picture in pictures]
    return hashlib.blake2b(json.dumps([known, more]).encode(), digest_size=6).hexdigest()
