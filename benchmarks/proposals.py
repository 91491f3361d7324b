"""Region proposals on ``posters``: their recall, their mAP, and the overlap of located boxes."""

from __future__ import annotations

import numpy as np
from _photos import RESIZE
from _table import print_table

import workbench
from workbench.analysis.proposal_recall import proposal_recall
from workbench.collections.posters.art import MEMBERS
from workbench.common.geometry import outline_overlap
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.engine.description_cache import DescriptionCache
from workbench.learning.proposals.scenes import HELD_OUT
from workbench.learning.whitening import fit_whitening

REGIONS = ("whole", "rmac:3", "rmac:5", "grid:3x3", "proposals:5", "proposals:20", "proposals:50")
BACKBONE = "efficientnet_lite0"
RMAC_WHITENING = "benchmark-rmac"  # fitted on R-MAC's regions, and applied to all regions


def recalls(bench: workbench.Workbench) -> None:
    """Print the recall of targets by the first n regions."""
    described = DescriptionCache(bench.collection, bench.options).describe(
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
        ("posters of series that were not in training", lambda image: image in unseen),
    ):
        for min_iou in (0.5, 0.7):
            print(f"Recall %, {title}, IoU from {min_iou}\n")
            table = proposal_recall(described, least=min_iou, wanted=wanted)
            rows = [
                [str(int(count)), *(f"{100 * value:.1f}" for value in values)]
                for count, *values in table.to_numpy()
            ]
            print_table(["regions", "proposals", "moved by the head", "R-MAC", "sliding"], rows)


def descriptors(bench: workbench.Workbench) -> None:
    """Print mAP and localisation by regions and whitening."""
    fit_whitening(bench.collection, bench.options, f"{BACKBONE}/max/rmac:3/pcaw:256", RMAC_WHITENING)
    rows = []
    for regions in REGIONS:
        for whitening in ("", "/pcaw:256", f"/pcaw:256:{RMAC_WHITENING}"):
            pipeline = f"{BACKBONE}/max/{regions}{whitening}"
            metrics = bench.evaluate(pipeline).metrics
            names = (
                "mAP_easy",
                "mAP_medium",
                "mAP_hard",
                "localisation",
                "localisation_box",
                "localisation_box_bounds",
            )
            rows.append([f"`{pipeline}`", *(f"{100 * metrics[name]:.1f}" for name in names)])
    print_table(
        ["pipeline", "mAP easy %", "medium %", "hard %", "heat on target %", "IoU outline %", "IoU bounds %"],
        rows,
    )


def located(bench: workbench.Workbench) -> None:
    """Print the overlap of the located region and box with the outline, and the scenes without a proposal."""
    collection = bench.collection
    pairs = [
        (query, image, corners)
        for (query, image), corners in collection.quadrilaterals.items()
        if collection.relevance[query].get(image, "junk") != "junk"
    ]
    rows = []
    for regions in ("rmac:3", "proposals:20"):
        for whitening in ("", "/pcaw:256"):
            pipeline, measures = f"{BACKBONE}/max/{regions}{whitening}", []
            for query, image, corners in pairs:
                location = bench.locate(query, image, pipeline=pipeline)
                x0, y0, x1, y1 = location.region
                overlaps = [
                    outline_overlap(box, corners, location.size) for box in (location.region, location.box)
                ]
                measures.append([*overlaps, (x1 - x0) * (y1 - y0) / (location.size[0] * location.size[1])])
            rows.append([f"`{pipeline}`", *(f"{100 * share:.1f}" for share in np.mean(measures, axis=0))])
    print_table(["pipeline", "IoU of the region %", "of the box %", "picture covered by the region %"], rows)
    with_poster = {image for _, image in collection.quadrilaterals}
    boxes = {
        image: bench.studies.activations(image, pipeline=f"{BACKBONE}/max/proposals:20").regions
        for image in collection.images
    }
    without_proposal = [image for image, regions in boxes.items() if regions.tolist() == [[0, 0, 1, 1]]]
    correct = sum(image not in with_poster for image in without_proposal)
    print(f"{len(without_proposal)} of {len(boxes)} scenes have no proposal, {correct} of them no poster")


if __name__ == "__main__":
    posters = workbench.open("posters", resize=RESIZE)
    recalls(posters)
    descriptors(posters)
    located(posters)
