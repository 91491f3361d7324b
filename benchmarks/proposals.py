"""Region proposals on ``posters``: their recall beside grids, what they do to mAP, and how well boxes fit."""

from __future__ import annotations

import numpy as np
from _table import print_table

import workbench
from workbench.collections.poster_art import MEMBERS
from workbench.config import Config
from workbench.described import Describer
from workbench.evaluation.boxes import outline_overlap
from workbench.learning.proposals.scenes import HELD_OUT
from workbench.learning.whitening import keep
from workbench.progress import silent
from workbench.recalling import proposal_recall

REGIONS = ("whole", "rmac:3", "rmac:5", "grid:3x3", "proposals:5", "proposals:20", "proposals:50")
BACKBONE = "efficientnet_lite0"
OF_RMAC = "benchmark-rmac"  # the whitening that R-MAC's regions are fitted with, for all regions


def recalls(bench: workbench.Workbench) -> None:
    ready = Describer(bench.collection, bench.options).describe(
        Config.parse(f"{BACKBONE}/max/proposals:20"), silent
    )
    unseen = {
        image
        for query, grades in bench.collection.relevance.items()
        for image in grades
        if int(query[1:]) // MEMBERS in HELD_OUT
    }
    for title, wanted in (
        ("all posters", lambda image: True),
        ("posters of series that training did not show", lambda image: image in unseen),
    ):
        for least in (0.5, 0.7):
            print(f"Recall %, {title}, IoU from {least}\n")
            table = proposal_recall(ready, least=least, wanted=wanted)
            rows = [
                [str(int(count)), *(f"{100 * value:.1f}" for value in values)]
                for count, *values in table.to_numpy()
            ]
            print_table(["regions", "proposals", "moved by the head", "R-MAC", "sliding"], rows)


def descriptors(bench: workbench.Workbench) -> None:
    keep(bench.collection, bench.options, f"{BACKBONE}/max/rmac:3/pcaw:256", OF_RMAC)
    rows = []
    for regions in REGIONS:
        for whitening in ("", "/pcaw:256", f"/pcaw:256:{OF_RMAC}"):
            pipeline = f"{BACKBONE}/max/{regions}{whitening}"
            found = bench.evaluate(pipeline).metrics
            names = (
                "mAP_easy",
                "mAP_medium",
                "mAP_hard",
                "localisation",
                "localisation_box",
                "localisation_box_bounds",
            )
            rows.append([f"`{pipeline}`", *(f"{100 * found[name]:.1f}" for name in names)])
    print_table(
        ["pipeline", "mAP easy %", "medium %", "hard %", "heat on target %", "IoU outline %", "IoU bounds %"],
        rows,
    )


def located(bench: workbench.Workbench) -> None:
    """What locating begins with and ends at, and in which scenes there was nothing to begin with."""
    collection = bench.collection
    pairs = [
        (query, image, corners)
        for (query, image), corners in collection.quadrilaterals.items()
        if collection.relevance[query].get(image, "junk") != "junk"
    ]
    rows = []
    for regions in ("rmac:3", "proposals:20"):
        for whitening in ("", "/pcaw:256"):
            pipeline, found = f"{BACKBONE}/max/{regions}{whitening}", []
            for query, image, corners in pairs:
                one = bench.locate(query, image, pipeline)
                x0, y0, x1, y1 = one.region
                overlaps = [outline_overlap(box, corners, one.size) for box in (one.region, one.box)]
                found.append([*overlaps, (x1 - x0) * (y1 - y0) / (one.size[0] * one.size[1])])
            rows.append([f"`{pipeline}`", *(f"{100 * share:.1f}" for share in np.mean(found, axis=0))])
    print_table(["pipeline", "IoU of the region %", "of the box %", "picture covered by the region %"], rows)
    shown = {image for _, image in collection.quadrilaterals}
    boxes = {
        image: bench.activations(image, f"{BACKBONE}/max/proposals:20").regions for image in collection.images
    }
    none = [image for image, some in boxes.items() if some.tolist() == [[0, 0, 1, 1]]]
    right = sum(image not in shown for image in none)
    print(f"{len(none)} of {len(boxes)} scenes have no proposal, {right} of them no poster")


if __name__ == "__main__":
    made = workbench.open("posters")
    recalls(made)
    descriptors(made)
    located(made)
