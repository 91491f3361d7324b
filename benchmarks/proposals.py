"""Region proposals on ``posters``: their recall beside grids, what they do to mAP, and how well boxes fit."""

from __future__ import annotations

from _table import print_table

import workbench
from workbench.collections.poster_art import MEMBERS
from workbench.config import Config
from workbench.described import Describer
from workbench.learning.scenes import HELD_OUT
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


if __name__ == "__main__":
    made = workbench.open("posters")
    recalls(made)
    descriptors(made)
