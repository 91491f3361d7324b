"""The files of an explanation: each picture under its heat, all of them on one scale, and the sums."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from workbench.bench.bench import Bench
from workbench.collections.named_picture import NamedPicture
from workbench.common.picture_bytes import png
from workbench.engine.queries import named_picture
from workbench.explain.sums import BOX
from workbench.figures.style import subtitle
from workbench.panels.score_explanation import Request, Study
from workbench.panels.widgets.download import File
from workbench.report.pictures import heat_picture

QUANTITY = "contribution of a cell to the score"
DIFFERENCE = "contribution of a cell to the score, on the query of A less B"


def files(bench: Bench, request: Request, study: Study) -> dict[str, File]:
    """What the menu calls each file, and the function that makes it."""
    collection = bench.collection
    pictures = [named_picture(collection, request.query.id, request.box or request.query.box)]
    pictures += [named_picture(collection, image) for image in study.images]
    heats = [view["heat"] for view in study.views]
    contrast = len(study.images) == 2
    notes = [
        *(str(line["text"]) for line in study.lines),
        request.pipeline,
        subtitle(collection=collection.name, pipelines=[request.pipeline]),
    ]
    make = partial(
        _file,
        quantity=DIFFERENCE if contrast else QUANTITY,
        notes=[*filter(None, notes)],
        top=float(study.views[0]["top"]),
    )
    roles = ("Query", "A", "B") if contrast else ("Query", "Result")
    alone = {
        f"{role} (PNG)": partial(make, [picture], [heat])
        for role, picture, heat in zip(roles, pictures, heats, strict=True)
    }
    return {
        **alone,
        f"{'All three' if contrast else 'Both'} (PNG)": partial(make, pictures, heats),
        "Sums by region (CSV)": partial(_sums, study, roles, [picture.name for picture in pictures]),
    }


def _sums(study: Study, roles: tuple[str, ...], names: list[str]) -> tuple[str, bytes]:
    """The sum of each region of each picture, and the constant, as a table."""
    tables = []
    for role, side in zip(roles, study.regions.sides, strict=True):
        regions = side.total.parts[["group", "name", *BOX, "contribution"]].iloc[side.order]
        constant = pd.DataFrame({"name": ["constant"], "contribution": [side.total.constant]})
        table = pd.concat([regions, constant], ignore_index=True)
        table.insert(0, "picture", role)
        tables.append(table)
    text = pd.concat(tables, ignore_index=True).to_csv(index=False)
    return f"sums of {' and '.join(names)}.csv", text.encode()


def _file(
    pictures: list[NamedPicture], heats: list[np.ndarray], quantity: str, notes: list[str], top: float
) -> tuple[str, bytes]:
    name = " and ".join(picture.name for picture in pictures)
    return f"heat of {name}.png", png(heat_picture(pictures, heats, quantity, notes, top=top))
