"""Descriptors of a whole collection, from stored maps, and the whitenings fitted on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from workbench.config import Config, Step, WorkbenchError
from workbench.descriptors.attention import Attention, attention
from workbench.descriptors.describe import (
    Parts,
    Pooled,
    apply_step,
    finished,
    over_scales,
    pooled,
    split_steps,
    summed,
)
from workbench.descriptors.detector import Trained
from workbench.descriptors.elsewhere import elsewhere
from workbench.descriptors.proposals import proposals
from workbench.descriptors.whitening import MOST_VECTORS, Whitening
from workbench.features.hardware import one_thread_each
from workbench.features.maps import MapSource
from workbench.progress import Progress, silent

MOST_BYTES = 2**30  # of pooled regions that are kept between fitting and describing
_IN_CACHE = 2**19  # numbers of maps pooled at a time: what is computed on the way stays near the processor

Chunk = tuple[list[int], Pooled]


@dataclass(frozen=True)
class Described:
    """Descriptors [n, D] of unit length, the whitenings of regional and of later steps, the attention, and
    what proposes the regions: ``without`` it found none in so many images."""

    vectors: torch.Tensor
    regional: tuple[Whitening | None, ...]
    final: tuple[Whitening | None, ...]
    attention: Attention | None = None
    proposals: Trained | None = None
    without: int = 0


def describe(
    source: MapSource,
    keys: Sequence[Sequence[str]],
    config: Config,
    fit_on: Sequence[int],
    pairs: np.ndarray | None,
    provenance: dict[str, Any],
    seed: int = 0,
    progress: Progress = silent,
) -> Described:
    """Describe images by their stored maps, ``keys`` [scale][image].

    Whitenings are fitted on the images in ``fit_on`` (rows), learned ones on ``pairs`` of rows.
    Region vectors are pooled once and kept where they fit into MOST_BYTES, else pooled twice.
    """
    with torch.no_grad():
        regional_steps, final_steps = split_steps(config)
        weighting, known = attention(config, source), elsewhere(config, source)
        proposed = proposals(config, source)
        scales = [
            _Regions(source, names, scale, config, weighting, proposed, progress)
            for scale, names in enumerate(keys)
        ]
        regional = _fit_regional(scales, regional_steps, known, fit_on, provenance, seed)
        parts = over_scales([_sum(regions, config, regional) for regions in scales], config)
        vectors = parts.total.sum(1)
        described = finish(vectors, final_steps, known, fit_on, pairs, provenance)
        return replace(
            described,
            regional=tuple(regional),
            attention=weighting,
            proposals=proposed,
            without=scales[0].without,
        )


def finish(
    vectors: torch.Tensor,
    steps: Sequence[Step],
    known: dict[Step, Whitening],
    fit_on: Sequence[int],
    pairs: np.ndarray | None,
    provenance: dict[str, Any],
) -> Described:
    """The steps on images' vectors [n, D]: each fitted, but those ``known``, and applied."""
    with torch.no_grad():
        parts, final = Parts(vectors[:, None]), list[Whitening | None]()
        for step in steps:
            fitted = known.get(step) or _fit(
                step, parts.total[fit_on, 0], provenance, parts.total[:, 0], pairs
            )
            parts = apply_step(parts, step, fitted, together=True)
            final.append(fitted)
        return Described(parts.total[:, 0].contiguous(), (), tuple(final))


def describe_maps(
    maps: Sequence[torch.Tensor], config: Config, described: Described, keep: bool = False
) -> tuple[Parts, list[Pooled]]:
    """Describe one image by its maps [1, C, H, W], a scale each, with whitenings already fitted."""
    pools = [pooled(one, config, described.attention, described.proposals) for one in maps]
    parts = over_scales([summed(p, config, described.regional, keep) for p in pools], config)
    return finished(parts, config, described.final), pools


class _Regions:
    """The pooled regions of all images at one scale, by chunks: kept in memory, or pooled at each pass."""

    def __init__(
        self,
        source: MapSource,
        keys: Sequence[str],
        scale: int,
        config: Config,
        attention: Attention | None,
        proposed: Trained | None,
        progress: Progress,
    ) -> None:
        self.source, self.keys, self.scale, self.config, self.progress = source, keys, scale, config, progress
        self.attention, self.proposed = attention, proposed
        self.kept: list[Chunk] | None = None
        self.without = 0  # images in which nothing was proposed, known after a pass

    def __len__(self) -> int:
        return len(self.keys)

    def chunks(self) -> Iterator[Chunk]:
        if self.kept is not None:
            yield from self.kept
            return
        kept, size, done, self.without = [], 0, 0, 0
        with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
            for positions, chunk in ahead(
                pool, self._pool, self.source.batches(self.keys, self.scale), threads
            ):
                size += chunk.vectors.nbytes
                self.without += chunk.without
                if size <= MOST_BYTES:
                    kept.append((positions, chunk))
                else:
                    kept.clear()
                yield positions, chunk
                done += len(positions)
                self.progress("pooling", done, len(self.keys))
        if size <= MOST_BYTES:
            self.kept = _merged(kept)

    def _pool(self, positions: list[int], maps: torch.Tensor) -> Chunk:
        torch.set_num_threads(1)
        with torch.no_grad():
            if (
                self.config.pooling.name != "code"
                and maps.shape[2:] == (1, 1)
                and self.source.layer is not None
            ):
                spec = self.source.spec
                raise WorkbenchError(
                    f"layer {spec.layer or self.source.layer!r} of {spec.name} gives vectors, which have no "
                    f"regions: use the pooling 'code', not {str(self.config.pooling)!r}"
                )
            if self.config.pooling.name == "max" and not self.config.weightings:
                # A maximum is exact in half precision too.
                return positions, pooled(maps, self.config, None, self.proposed)
            # Proposals are filled up to as many as the batch has, so that it stays one.
            some = len(maps) if self.proposed else max(1, _IN_CACHE // maps[0].numel())
            parts = [
                (
                    positions[n * some :][:some],
                    pooled(part.float(), self.config, self.attention, self.proposed),
                )
                for n, part in enumerate(maps.split(some))
            ]
            return _merged(parts)[0]


def _merged(chunks: list[Chunk]) -> list[Chunk]:
    """Fewer, larger chunks: those of as many regions become one, for whitening in one product."""
    by_count: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        by_count.setdefault(chunk[1].vectors.shape[1], []).append(chunk)
    merged = []
    for same in by_count.values():
        positions = [position for some, _ in same for position in some]
        weights = [p.weights.expand(len(p.vectors), -1, -1) for _, p in same if p.weights is not None]
        vectors = torch.cat([p.vectors for _, p in same])
        regions = same[0][1].regions
        if regions.ndim == 3:
            regions = np.concatenate([p.regions for _, p in same])
        without = sum(p.without for _, p in same)
        merged.append((positions, Pooled(vectors, torch.cat(weights) if weights else None, regions, without)))
    return merged


def ahead(pool: ThreadPoolExecutor, work: Any, jobs: Iterator[Any], most: int) -> Iterator[Any]:
    """Run jobs in threads, at most ``2·most`` ahead, and yield results in order."""
    waiting: list[Any] = []
    for job in jobs:
        waiting.append(pool.submit(work, *job))
        if len(waiting) > 2 * most:
            yield waiting.pop(0).result()
    while waiting:
        yield waiting.pop(0).result()


def _fit(
    step: Step,
    vectors: torch.Tensor,
    provenance: dict[str, Any],
    everything: torch.Tensor | None = None,
    pairs: np.ndarray | None = None,
) -> Whitening | None:
    if step.name == "power":
        return None
    if step.name == "lw":
        assert everything is not None
        about = {**provenance, "pairs": 0 if pairs is None else len(pairs)}
        return Whitening.fit(everything, int(step.args[0]), "lw", pairs, about)
    return Whitening.fit(vectors, int(step.args[0]), step.name, provenance=provenance)


def _fit_regional(
    scales: Sequence[_Regions],
    steps: Sequence[Step],
    known: dict[Step, Whitening],
    fit_on: Sequence[int],
    provenance: dict[str, Any],
    seed: int,
) -> list[Whitening | None]:
    """Fit the regional steps, but those ``known``, on a sample of the region vectors of all scales."""
    if all(step in known or step.name == "power" for step in steps):
        return [known.get(step) for step in steps]
    # A lot for each image decides whether it is in the sample; others are given a lot above all.
    lots = np.full(len(scales[0]), np.inf)
    lots[list(fit_on)] = np.random.default_rng(seed).random(len(fit_on))
    vectors = []
    for regions in scales:
        for positions, chunk in regions.chunks():
            whole = len(fit_on) * chunk.vectors.shape[1] * len(scales)
            chosen = lots[positions] <= max(MOST_VECTORS / whole, 2 / len(fit_on))
            kept = chunk.vectors if chosen.all() else chunk.vectors[chosen]  # mostly all: no copy
            there = chunk.there
            vectors.append(kept.flatten(0, 1) if there is None else kept[there[chosen]])
    scales[0].progress("whitening", 0, 0)
    whitenings: list[Whitening | None] = []
    parts = Parts(torch.cat(vectors)[:, None])
    for step in steps:
        fitted = known.get(step) or _fit(step, parts.total[:, 0], provenance)
        whitenings.append(fitted)
        if step is not steps[-1]:
            parts = apply_step(parts, step, fitted, together=False)
    return whitenings


def _sum(regions: _Regions, config: Config, whitenings: Sequence[Whitening | None]) -> Parts:
    """One vector an image, [n, 1, D]."""
    out: torch.Tensor | None = None
    for positions, chunk in regions.chunks():
        vectors = summed(chunk, config, whitenings).total[:, 0]
        if out is None:
            out = vectors.new_zeros(len(regions), vectors.shape[1])
        out[positions] = vectors
    if out is None:
        raise WorkbenchError("there is no image to describe")
    return Parts(out[:, None])
