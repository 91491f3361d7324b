"""The mAP of whitening that is fitted to the regions of a random part of the images."""

from __future__ import annotations

from _photos import RESIZE
from _table import print_table

import workbench
from workbench.descriptors import description

PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"


def main() -> None:
    rows = []
    for limit in (65_536, 8_192, 4_096):
        description.MOST_VECTORS = limit
        evaluation = workbench.open("posters", resize=RESIZE).evaluate(PIPELINE, localise=False)
        vectors = evaluation.provenance["whitening"][0]["vectors"]
        rows.append([PIPELINE, str(vectors), f"{100 * evaluation.mean_ap:.1f}"])
    print_table(["pipeline on posters", "region vectors fitted to", "mAP medium %"], rows)


if __name__ == "__main__":
    main()
