"""Search by text on photos of 1,000 classes, and on montages of four: recall among the first ten, and mAP.

The 60 texts of text_queries.csv were written before anything was measured; settings were chosen on those of
text_tuning_queries.csv. Classes at or below a text's synsets of WordNet are relevant, which ``--relevance``
finds again. ``--speed`` measures the time of a text on 10,000 images.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from _photos import DATASETS
from _table import print_table
from _timing import fastest
from PIL import Image

import workbench
from workbench.bench.bench import Bench
from workbench.engine.text_evaluation import measures
from workbench.engine.text_search import text_boxes, text_scores
from workbench.explain.text import explain_text
from workbench.text.bridge import TEMPERATURE, text_query
from workbench.text.classifier import load_classifier, region_probabilities, views
from workbench.text.concepts import load_concepts
from workbench.text.encoder import encode
from workbench.text.wordnet import below, read_nouns

HERE = Path(__file__).parent
LISTS = "text_queries.csv", "text_tuning_queries.csv"
KINDS = "exact name", "synonym", "parent concept", "part or scene"
MONTAGES, TILE = 250, 240  # pictures of 2 × 2 photos, and pixels of a side of each
IMAGES = 10_000  # of the collection that is timed
CLASSES = 10  # most probable classes of an image in ConSE


@dataclass(frozen=True)
class Set:
    """Pictures, the classes of their photos, and class probabilities: of the whole, and of the regions."""

    bench: Bench
    wnids: list[tuple[str, ...]]
    whole: np.ndarray
    regions: np.ndarray

    @classmethod
    def of(cls, folder: Path, wnids: Mapping[str, tuple[str, ...]]) -> Set:
        bench = workbench.open(folder)
        maps, _ = bench.engine.class_probabilities()
        whole, regions = [], []
        for row in range(len(maps.keys)):
            image_map = maps.of(row)
            boxes, _ = views(*image_map.shape[2:])
            probabilities = region_probabilities(image_map, boxes, load_classifier())[0].numpy()
            whole.append(probabilities[0])
            regions.append(probabilities[1:].mean(0))
        named = [wnids[image] for image in maps.collection.images]
        return cls(bench, named, np.stack(whole), np.stack(regions))

    @property
    def both(self) -> np.ndarray:
        return (2 * self.whole + self.regions) / 3


def texts(name: str) -> list[dict[str, str]]:
    """The rows of a list of queries."""
    with (HERE / name).open() as file:
        return list(csv.DictReader(file))


def weights(similarities: np.ndarray) -> np.ndarray:
    """The weights [K] of concepts by their similarities to a text."""
    return np.asarray(np.exp((similarities - similarities.max()) / TEMPERATURE))


def conse(vectors: np.ndarray, probabilities: np.ndarray, text: np.ndarray) -> np.ndarray:
    """The scores of ConSE: the cosine with the mean vector of the most probable classes."""
    least = np.sort(probabilities, axis=1)[:, [-CLASSES]]
    images = np.where(probabilities >= least, probabilities, 0) @ vectors
    return np.asarray((images @ text) / np.linalg.norm(images, axis=1))


Method = Callable[[Set, np.ndarray], np.ndarray]


def methods() -> dict[str, Method]:
    """The ways of scoring pictures by the vector of a text."""
    table = load_concepts()
    names, first = table.name_vectors, table.name_vectors[table.lemmas[:, 0]]

    def nearest(rows: np.ndarray, text: np.ndarray) -> np.ndarray:
        return np.asarray((names @ text)[rows].max(1))

    every = np.concatenate([table.lemmas, table.hypernyms], axis=1)
    return {
        "class names, Σ p · cosine": lambda s, t: s.whole @ (first @ t),
        f"class names, ConSE of {CLASSES} classes": lambda s, t: conse(first, s.whole, t),
        f"lemmas and gloss, ConSE of {CLASSES} classes": lambda s, t: conse(table.descriptions, s.whole, t),
        "class names, weights": lambda s, t: s.whole @ weights(first @ t),
        "lemmas, weights": lambda s, t: s.whole @ weights(nearest(table.lemmas, t)),
        "lemmas and hypernyms, weights": lambda s, t: s.whole @ weights(nearest(every, t)),
        "lemmas and gloss, weights": lambda s, t: s.whole @ weights(table.descriptions @ t),
        "lemmas, hypernyms and gloss, weights": lambda s, t: s.whole @ weights(table.similarities(t)[0]),
        "the same, regions only": lambda s, t: s.regions @ weights(table.similarities(t)[0]),
        "**the same, whole image and regions**": lambda s, t: s.both @ weights(table.similarities(t)[0]),
    }


def quality(pictures: Set, name: str) -> None:
    """Print recall among the first ten and mAP of each method, by the kind of text."""
    rows = texts(name)
    vectors = encode([row["text"] for row in rows])
    wanted = [np.array([bool(set(row["wnids"].split()) & set(w)) for w in pictures.wnids]) for row in rows]
    table = []
    for title, method in methods().items():
        measured = [
            measures(method(pictures, vector), relevant)
            for vector, relevant in zip(vectors, wanted, strict=True)
            if relevant.any()
        ]
        kinds = np.array([row["kind"] for row, relevant in zip(rows, wanted, strict=True) if relevant.any()])
        values = np.array([[m["recall_10"], m["ap"]] for m in measured])
        cells = [values.mean(0), *(values[kinds == kind].mean(0) for kind in KINDS)]
        table.append([title, *(f"{recall:.2f} / {ap:.2f}" for recall, ap in cells)])
    counts = [sum(row["kind"] == kind for row in rows) for kind in KINDS]
    columns = [f"{kind} ({n})" for kind, n in zip(("all", *KINDS), (len(rows), *counts), strict=True)]
    print(f"{name} on {len(pictures.wnids):,} pictures: R@10 / mAP\n")
    print_table(["concepts by", *columns], table)


def places(montages: Set, name: str) -> None:
    """Print how often the box has its centre on a photo of the text, in montages that have such a photo."""
    images = montages.bench.collection.images
    engine, config = montages.bench.engine, montages.bench.engine.config(None)
    hits = []
    for row in texts(name):
        relevant = set(row["wnids"].split())
        having = [i for i, wnids in enumerate(montages.wnids) if relevant & set(wnids)]
        for i in having[:10]:
            x0, y0, x1, y1 = text_boxes(engine, config, row["text"], images[i]).box
            tile = 2 * int((y0 + y1) / 2 >= TILE) + int((x0 + x1) / 2 >= TILE)
            hits.append(montages.wnids[i][tile] in relevant)
    print(f"{name}: the box is on the right photo in {100 * np.mean(hits):.1f} % of {len(hits)} cases\n")


def make_montages(photos: list[Path], folder: Path) -> dict[str, tuple[str, ...]]:
    """Write pictures of 2 × 2 photos; the classes of each."""
    order = np.random.default_rng(0).permutation(len(photos))
    wnids = {}
    for number in range(MONTAGES):
        chosen = [photos[i] for i in order[4 * number : 4 * number + 4]]
        montage = Image.new("RGB", (2 * TILE, 2 * TILE))
        for tile, path in enumerate(chosen):
            photo = Image.open(path).convert("RGB")
            side, x, y = min(photo.size), photo.width, photo.height
            crop = photo.crop(((x - side) // 2, (y - side) // 2, (x + side) // 2, (y + side) // 2))
            montage.paste(
                crop.resize((TILE, TILE), Image.Resampling.LANCZOS), (TILE * (tile % 2), TILE * (tile // 2))
            )
        montage.save(folder / f"{number:03d}.png")
        wnids[f"{number:03d}.png"] = tuple(path.name.partition("_")[0] for path in chosen)
    return wnids


def speed() -> None:
    """Print the time of a text on 10,000 described images, of its explanation, and of the encoder."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        for number in range(IMAGES):
            size = (512, 512) if number == 0 else (64, 64)
            noise = rng.integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(noise).save(folder / f"{number:05d}.png", compress_level=0)
        bench = workbench.open(folder, cache=Path(name) / "cache")
        engine, config = bench.engine, bench.engine.config(None)
        first = fastest(partial(text_scores, engine, config, "a red car"), 1)
        # Each run has a text of its own: that of the last one is not compared with the concepts again.
        text = (f"a red car, number {number}" for number in count())

        def compare() -> None:
            text_query(next(text))

        def rank() -> None:
            np.argsort(-text_scores(engine, config, next(text)), kind="stable")

        def explain() -> None:
            explain_text(engine, config, next(text), "00000.png")

        rows = [
            ["extracting maps and classifying, once", f"{1000 * first:,.0f}"],
            [
                "encoding a text and comparing it with concepts",
                f"{1000 * fastest(compare, 20):.1f}",
            ],
            [f"ranking {IMAGES:,} images", f"{1000 * fastest(rank, 20):.1f}"],
            [
                "explaining an image of 512 × 512 pixels",
                f"{1000 * fastest(explain, 20):.1f}",
            ],
        ]
        print(f"{IMAGES:,} images, {torch.get_num_threads()} threads; the fastest run\n")
        print_table(["work", "ms"], rows)


def relevance() -> None:
    """Print the texts whose relevant classes are not those of WordNet."""
    nouns, classes = read_nouns(), sorted(load_concepts().wnids)
    for name in LISTS:
        wrong = [
            r["text"]
            for r in texts(name)
            if below(r["synsets"].split(), classes, nouns) != r["wnids"].split()
        ]
        print(f"{name}: {len(texts(name))} texts, relevance differs from WordNet's for {wrong or 'none'}")


def main(arguments: list[str]) -> None:
    if "--speed" in arguments:
        speed()
    elif "--relevance" in arguments:
        relevance()
    elif DATASETS.is_dir():
        photos = sorted((DATASETS / "imagenet_sample").glob("*.jpg"))
        wnids = {path.name: (path.name.partition("_")[0],) for path in photos}
        sample = Set.of(DATASETS / "imagenet_sample", wnids)
        with tempfile.TemporaryDirectory() as folder:
            montages = Set.of(Path(folder), make_montages(photos, Path(folder)))
            for pictures in (sample, montages):
                for name in LISTS:
                    quality(pictures, name)
            for name in LISTS:
                places(montages, name)


if __name__ == "__main__":
    main(sys.argv[1:])
