"""Pipelines described in words."""

from __future__ import annotations

from workbench.config.config import Config
from workbench.config.steps import CODES, Step, cell_count
from workbench.descriptors.regions import rmac
from workbench.features.backbones import BackboneSpec
from workbench.local.geometry import Geometry

_POOLED = {"max": "max", "mean": "mean", "gem": "generalised mean", "crow": "CroW-weighted sum"}
_REDUCED = {"pca": "reduced to", "pcaw": "whitened to", "lw": "whitened from matching pairs to"}


def _regions(step: Step) -> str:
    if step.name.startswith("rmac"):
        # The count on a 4:3 map; other shapes differ a little.
        count = len(rmac(24, 32, int(step.args[0]))) + step.name.endswith("+")
        return f"about {count} regions"
    if step.name == "grid":
        return f"{int(step.args[0] * step.args[1])} regions"
    if step.name == "proposals":
        return f"at most {step.args[0]:g} proposed regions"
    return "the whole image"


def _indexed(step: Step) -> str:
    """The work of an index step, and the bytes that it keeps of an image."""
    first, last = step.args[0], step.args[-1]
    return {
        "ivf": f"probes {last:g} of {cell_count(step):g} cells",
        "imi": f"probes {last:g} of {cell_count(step):g} cells",
        "hnsw": f"walks a graph with {first:g} links a node, holding at least {last:g} candidates",
        "pq": f"product codes of {first:g} bytes an image",
        "opq": f"rotated product codes of {first:g} bytes an image",
        "itq": f"codes of {first / 8:g} bytes an image ({first:g} bits by ITQ)",
        "lsh": f"codes of {first / 8:g} bytes an image ({first:g} bits by random hyperplanes)",
        "sh": f"codes of {first / 8:g} bytes an image ({first:g} bits by spherical hashing)",
    }[step.name]


def _reranked(step: Step) -> str:
    values = [f"{value:g}" for value in step.args]
    return {
        "nojunk": "junk removed before re-ranking, which uses the ground truth",
        "aqe": "the query averaged with its first {}",
        "alphaqe": "the query averaged with its first {} by similarity to the power {}",
        "dba": "each image averaged with its {} nearest",
        "diffusion": "diffusion over the {} nearest of each",
        "kreciprocal": "k-reciprocal neighbours (k1 {}, k2 {}, lambda {})",
        "he": "keypoints compared by signatures, at most {} of 64 bits different",
        "sv": f"the first {{}} verified by one {Geometry.parse(step.geometry).title}"
        + f" of {step.tag} keypoints" * bool(step.tag),
    }[step.name].format(*values)


def _pooled(config: Config) -> str:
    """The pooling of an image into one vector."""
    if config.pooling.name == "bow":
        kind = "HardNet" if config.backbone.startswith("hardnet") else "SIFT"
        return f"bag of {config.pooling.args[0]:,.0f} visual words of {kind} keypoints, weighted by rarity"
    pooled = _POOLED.get(config.pooling.name)
    return f"{pooled} over {_regions(config.regions)}" if pooled else "fully connected layer"


def description_of(pipeline: str) -> str:
    """A pipeline described in one line."""
    config = Config.parse(pipeline)
    words = [_pooled(config)]
    if BackboneSpec.parse(config.backbone).random:
        words.insert(0, "random weights, for tests only")
    if config.scales > 1:
        words.append(f"at {config.scales} scales")
    coded = any(step.name in CODES for step in config.index_steps)
    for step in config.description.steps:
        if step.name == "centre":
            words.append("the centre has more weight")
        elif step.name == "norm":
            words.append("strong cells have more weight")
        elif step.name == "attention":
            words.append("regions weighted by attention" + f" {step.tag!r}" * bool(step.tag))
        elif step.name == "power":
            words.append(f"signed power {step.args[0]:g}")
        elif step.name in _REDUCED:
            size = int(step.args[0])
            reduced = _REDUCED[step.name]
            if step.name == "pcaw" and step.strength != 1:
                reduced = f"whitened at strength {step.strength:g} to"
            words.append(f"{reduced} {size} numbers" + f" by {step.learned!r}" * bool(step.learned))
            words += [] if coded else [f"{size * 4 / 1024:.3g} KB an image"]
    indexed = " · ".join(map(_indexed, config.index_steps))
    words += [f"approximate: {indexed}"] if indexed else []
    return " · ".join([*words, *map(_reranked, config.reranking_steps)])
