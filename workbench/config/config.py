"""One immutable pipeline and the string that names it: ``backbone/pooling/regions[/step]*``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from workbench.config.errors import WorkbenchError
from workbench.config.steps import (
    CODES,
    INDEX_STEPS,
    LOCAL,
    POOLINGS,
    QUERY_RERANKING,
    REGIONS,
    RERANKING_STEPS,
    VECTOR_STEPS,
    VERIFIER,
    WEIGHTINGS,
    WHITENINGS,
    Step,
    check_index,
    is_local,
)


@dataclass(frozen=True)
class Config:
    """One pipeline. ``str(Config.parse(text))`` is canonical and parses back to itself.

    Weightings, which are multiplied, come before vector steps, index steps and re-ranking steps; vector steps
    are applied in the order in which they are written. Raises WorkbenchError naming the wrong part.
    """

    backbone: str
    pooling: Step
    regions: Step
    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, text: str | Config) -> Config:
        """Read a pipeline string such as ``efficientnet_lite0/max/rmac:3/pcaw:256``."""
        if isinstance(text, Config):
            return text
        parts = [part.strip() for part in str(text).strip().split("/")]
        # A path or a hub name in the backbone may contain slashes: the backbone ends before the pooling.
        start = 1
        if parts[0].startswith(("file:", "timm:", "hardnet:")):
            candidates = [
                position
                for position in range(1, len(parts) - 1)
                if parts[position].split(":")[0] in POOLINGS and parts[position + 1].split(":")[0] in REGIONS
            ]
            start = candidates[-1] if candidates else len(parts)
        if len(parts) < start + 2 or not parts[0]:
            raise WorkbenchError(
                f"pipeline {text!r} is incomplete: it is written backbone/pooling/regions[/step…], "
                "as in efficientnet_lite0/max/rmac:3/pcaw:256"
            )
        backbone = "/".join(parts[:start])
        pooling = Step.parse("pooling", parts[start])
        regions = Step.parse("regions", parts[start + 1])
        # ``ivf:64,pq:16`` is one index of two steps.
        words = [word for part in parts[start + 2 :] for word in part.split(",")]
        steps = [step for word in words if (step := Step.parse("step", word)).name != "exact"]
        tables = WEIGHTINGS, VECTOR_STEPS, INDEX_STEPS, RERANKING_STEPS
        stage = {name: position for position, table in enumerate(tables) for name in table}
        names = [step.name for step in steps]
        for name in names:
            if names.count(name) > 1:
                raise WorkbenchError(f"step {name!r} is given twice in {text!r}; keep one")
        # Weightings in the order of their table, the inverted index before the code, database-side expansion
        # before query expansion.
        within = {name: position for position, name in enumerate(WEIGHTINGS)}
        within |= {**dict.fromkeys((*CODES, "nojunk", "he"), 1), **dict.fromkeys((*QUERY_RERANKING, "sv"), 2)}
        steps.sort(key=lambda step: (stage[step.name], within.get(step.name, 0)))
        config = cls(backbone, pooling, regions, tuple(steps))
        config._check()
        return config

    def _check(self) -> None:
        """Raise WorkbenchError where the parts have no meaning together."""
        if self.pooling.name in ("code", "bow") and self.regions.name != "whole":
            raise WorkbenchError(
                f"regions {self.regions}: {self.pooling.name} gives one vector for the whole image; "
                "valid: whole"
            )
        if self.pooling.name in ("code", "bow") and self.weightings:
            raise WorkbenchError(
                f"step {self.weightings[0]}: {self.pooling.name} has no cells to weight; "
                f"valid: {', '.join([*VECTOR_STEPS, *INDEX_STEPS, *RERANKING_STEPS])}"
            )
        attention = next((step for step in self.weightings if step.name == "attention"), None)
        if self.regions.name == "whole" and attention is not None:
            raise WorkbenchError(
                f"step {attention}: it weights regions relative to each other, and whole is one; "
                f"valid with it: {', '.join(name for name in REGIONS if name != 'whole')}"
            )
        if len(self.whitenings) > 1:
            raise WorkbenchError(f"steps {', '.join(map(str, self.whitenings))}: keep one whitening")
        self._check_local()
        self._check_search()

    def _check_local(self) -> None:
        """Raise WorkbenchError where a part needs keypoints and the backbone has none, or the reverse."""
        words = self.pooling.name == "bow"
        if is_local(self.backbone) != words:
            needs = f"bow needs local features; valid: {', '.join(LOCAL)}, hardnet:NAME"
            raise WorkbenchError(
                f"backbone {self.backbone!r}: {needs}"
                if words
                else f"pooling {self.pooling}: {self.backbone} has no feature map; valid: bow"
            )
        if words and any(step.name == "scales" for step in self.steps):
            raise WorkbenchError("step scales: keypoints have sizes of their own; leave it out with bow")
        fitted = next((step for step in self.whitenings if step.learned), None)
        if words and fitted:
            raise WorkbenchError(
                f"step {fitted}: words are the collection's own, and another collection has other words; "
                f"valid: {replace(fitted, tag=None)}"
            )
        embedded = next((step for step in self.reranking_steps if step.name == "he"), None)
        if embedded and not words:
            raise WorkbenchError(
                f"re-ranking {embedded}: it compares keypoints of the same word; valid with bow"
            )
        verification = next((step for step in self.reranking_steps if step.name == "sv"), None)
        if words and verification and verification.tag:
            raise WorkbenchError(
                f"re-ranking {verification}: a bag of words verifies its own keypoints; "
                f"valid: sv:{verification.args[0]:g}"
            )
        vectors = [step for step in self.reranking_steps if step.name not in ("he", "sv", "nojunk")]
        others = [*self.vector_steps, *self.index_steps, *vectors]
        if embedded and others:
            raise WorkbenchError(
                f"re-ranking {embedded}: it adds up matches of keypoints, not of vectors; leave out "
                f"{', '.join(map(str, others))}"
            )
        if embedded and embedded.args[0] > 64:
            raise WorkbenchError(f"re-ranking {embedded}: signatures have 64 bits; valid: he:1 to he:64")

    def _check_search(self) -> None:
        """Raise WorkbenchError where the index steps do not make one index or a re-ranking step is wrong."""
        check_index(self.index_steps)
        for step in self.reranking_steps:
            counts = step.args[:2] if step.name == "kreciprocal" else step.args[:1]
            if any(value < 1 or value != int(value) for value in counts):
                raise WorkbenchError(
                    f"re-ranking {step}: the number of neighbours is not a whole number from 1"
                )
            if step.name == "kreciprocal" and step.args[2] > 1:
                raise WorkbenchError(f"re-ranking {step}: lambda is a fraction; valid: 0 to 1")
        names = {step.name for step in self.reranking_steps}
        if "nojunk" in names and not names.intersection(QUERY_RERANKING):
            raise WorkbenchError(
                "re-ranking nojunk: it removes junk before another step re-ranks, and there is none; "
                f"valid after it: {', '.join(QUERY_RERANKING)}"
            )

    @cached_property
    def weightings(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.name in WEIGHTINGS)

    @cached_property
    def whitenings(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.name in WHITENINGS)

    @cached_property
    def vector_steps(self) -> tuple[Step, ...]:
        """The steps on vectors in the order they are applied, without ``scales``, which is on images."""
        return tuple(step for step in self.steps if step.name in VECTOR_STEPS and step.name != "scales")

    @cached_property
    def index_steps(self) -> tuple[Step, ...]:
        """The steps of the index, the inverted index before the code; empty for exact search."""
        return tuple(step for step in self.steps if step.name in INDEX_STEPS)

    @cached_property
    def reranking_steps(self) -> tuple[Step, ...]:
        """The re-ranking steps in the order they are applied."""
        return tuple(step for step in self.steps if step.name in RERANKING_STEPS)

    @cached_property
    def compared(self) -> str | None:
        """The local features that re-ranking by ``sv`` or ``he`` compares; None without such a step."""
        step = next((step for step in self.reranking_steps if step.name in ("sv", "he")), None)
        if step is None:
            return None
        if step.tag is not None:
            return step.tag if step.tag in LOCAL else f"hardnet:{step.tag}"
        return self.backbone if is_local(self.backbone) else VERIFIER

    @cached_property
    def geometry(self) -> str:
        """The geometric model of ``sv`` as written in it; "" is a homography by MAGSAC++."""
        return next((step.geometry for step in self.reranking_steps if step.name == "sv"), "")

    @cached_property
    def local(self) -> str:
        """The local features that are compared, or else those that spatial verification would compare."""
        return self.compared or (self.backbone if is_local(self.backbone) else VERIFIER)

    @cached_property
    def description(self) -> Config:
        """The part that determines the descriptors: this pipeline without index and re-ranking."""
        searching = {*INDEX_STEPS, *RERANKING_STEPS}
        return replace(self, steps=tuple(step for step in self.steps if step.name not in searching))

    @cached_property
    def scales(self) -> int:
        """The number of image scales (1, 1/√2, 1/2 …) whose descriptors are averaged."""
        return next((int(step.args[0]) for step in self.steps if step.name == "scales"), 1)

    def __str__(self) -> str:
        index = [step for step in self.steps if step.name in INDEX_STEPS]
        words = [
            str(step)
            for step in self.steps
            if step.name not in INDEX_STEPS and step.name not in RERANKING_STEPS
        ]
        if index:
            words.append(",".join(map(str, index)))
        words += [str(step) for step in self.steps if step.name in RERANKING_STEPS]
        return "/".join([self.backbone, str(self.pooling), str(self.regions), *words])


DEFAULT_PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"


ONE_PIPELINE = "efficientnet_lite0/max/rmac:3/pca:256"
