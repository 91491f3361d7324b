"""Pipelines described in words."""

from __future__ import annotations

from workbench.config.config import Config
from workbench.config.steps import CODES, Step, cell_count
from workbench.descriptors.regions import rmac
from workbench.features.backbones import BackboneSpec
from workbench.local.cells import MOST
from workbench.local.geometry import Geometry

_POOLED = {"max": "max", "mean": "mean", "gem": "generalised mean", "crow": "CroW-weighted sum"}
_KEYPOINTS = {"sift": "SIFT", "hardnet": "HardNet", "xfeat": "XFeat", "aliked": "ALIKED", "disk": "DISK"}
_FEW = 20  # pairs, for which the time of LightGlue is not worth a word
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
        "sv": f"the first {{}} verified by one {Geometry.parse(step.geometry).title}" + _verified(step),
    }[step.name].format(*values)


def _verified(step: Step) -> str:
    """The keypoints of a verification and what matches them, where it names them."""
    keypoints, matcher = step.matched
    matched = " matched by LightGlue" + ", seconds each" * (step.args[0] > _FEW) if matcher else ""
    return f" of {keypoints} keypoints{matched}" if keypoints else matched and f" of keypoints{matched}"


def _pooled(config: Config) -> str:
    """The pooling of an image into one vector, or into sums of residuals."""
    if config.has_words:
        kind = f"up to {MOST:,} strong cells of the map"
        if not config.has_cells:
            kind = f"{_KEYPOINTS[config.backbone.partition(':')[0]]} keypoints"
        words = f"{config.pooling.args[0]:,.0f} visual words of {kind}"
        if config.has_vectors:
            return f"bag of {words}, weighted by rarity"
        _, alpha, tau = config.pooling.args
        sums = "signs of the sums" if config.pooling.name == "asmk" else "sums"
        threshold = f" above {tau:g}" * (tau > 0)
        return f"{sums} of residuals to {words}, their products{threshold} to the power {alpha:g} (ASMK)"
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
            whole = "numbers a cell" if config.has_cells else "numbers"
            words.append(f"{reduced} {size} {whole}" + f" by {step.learned!r}" * bool(step.learned))
            words += [] if coded or config.has_cells else [f"{size * 4 / 1024:.3g} KB an image"]
    indexed = " · ".join(map(_indexed, config.index_steps))
    words += [f"approximate: {indexed}"] if indexed else []
    return " · ".join([*words, *map(_reranked, config.reranking_steps)])
