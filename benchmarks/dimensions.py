"""The mAP of smaller descriptors and of indexes on ``posters``: by dimensions, and by index."""

from __future__ import annotations

from _photos import RESIZE
from _table import print_table

import workbench

DIMENSIONS = (16, 32, 64, 128, 256, 512)
DESCRIPTORS = {  # the mean over the whole map is the input of the network's classifier: its neural code
    "R-MAC, PCA": "max/rmac:3/pca",
    "R-MAC, whitened": "max/rmac:3/pcaw",
    "neural code, PCA": "mean/whole/pca",
    "neural code, whitened": "mean/whole/pcaw",
}
PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"
INDEXES = (
    "exact",
    *("ivf:64:1", "ivf:64", "ivf:64:32", "imi:3", "imi:4", "hnsw:32"),
    *("pq:8", "pq:16", "pq:32", "opq:16"),
    *("lsh:64", "lsh:256", "itq:64", "itq:256", "sh:64", "sh:256"),
    *("ivf:64,pq:16", "ivf:64:32,pq:16", "imi:3,pq:16", "ivf:64,sh:256"),
)


def main() -> None:
    bench = workbench.open("posters", resize=RESIZE)
    rows = []
    for name, part in DESCRIPTORS.items():
        pipelines = [f"efficientnet_lite0/{part}:{dimensions}" for dimensions in DIMENSIONS]
        mean_aps = [bench.evaluate(pipeline, localise=False).mean_ap for pipeline in pipelines]
        rows.append([name, *(f"{100 * mean_ap:.1f}" for mean_ap in mean_aps)])
    print("posters, mAP medium in per cent, by dimensions\n")
    print_table(["", *map(str, DIMENSIONS)], rows)

    tradeoff, rows = bench.tradeoff((), pipeline=PIPELINE), []
    for index in INDEXES:
        measures = tradeoff.measure(index)
        shares = [*measures.recall.values(), measures.mean_ap, measures.lost]
        sizes = [f"{measures.bytes:.0f}", f"{measures.shared_bytes / 1024:.0f}"]
        rows.append([index, *(f"{100 * share:.1f}" for share in shares), *sizes])
    print(f"posters, {PIPELINE}\n")
    recalls = [f"recall@{k} %" for k in measures.recall]
    print_table(["index", *recalls, "mAP medium %", "lost", "bytes an image", "shared, KB"], rows)


if __name__ == "__main__":
    main()
