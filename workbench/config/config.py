"""One immutable pipeline and the string that names it: ``backbone/pooling/regions[/step]*``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from workbench.config.errors import WorkbenchError
from workbench.config.steps import (
    ASMK,
    CODES,
    INDEX_STEPS,
    LOCAL,
    POOLINGS,
    QUERY_RERANKING,
    REGIONS,
    RERANKING_STEPS,
    STEPS,
    VECTOR_STEPS,
    VERIFIER,
    WEIGHTINGS,
    WHITENINGS,
    WHOLE,
    WORDS,
    Step,
    is_local,
)
from workbench.config.validity import check


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
                for position in range(1, len(parts))
                if _leaves_out_regions(parts[position:])
                or (_name(parts[position]) in POOLINGS and _name(*parts[position + 1 :][:1]) in REGIONS)
            ]
            start = candidates[-1] if candidates else len(parts)
        if _leaves_out_regions(parts[start:]):
            parts.insert(start + 1, "whole")
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
        for word in words:
            if _name(word) in POOLINGS:
                place = "whole" if _name(word) in WHOLE else regions
                raise WorkbenchError(
                    f"step {word!r}: it is a pooling, in place of {pooling}; valid: {backbone}/{word}/{place}"
                )
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
        check(config)
        return config

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
    def has_words(self) -> bool:
        """Whether images are described by the visual words of their keypoints."""
        return self.pooling.name in WORDS

    @cached_property
    def has_vectors(self) -> bool:
        """Whether an image is described by a vector; ``asmk`` describes it by the words of its keypoints."""
        return self.pooling.name not in ASMK

    @cached_property
    def has_cells(self) -> bool:
        """Whether the local features that are compared by words are the cells of a backbone's map."""
        return self.pooling.name in ASMK and not is_local(self.backbone)

    @cached_property
    def compared(self) -> str | None:
        """The keypoints that ``asmk`` or re-ranking by ``sv`` or ``he`` compares, else None."""
        if not any(step.name in ("sv", "he") for step in self.reranking_steps):
            return None if self.has_vectors or self.has_cells else self.backbone
        keypoints = self.verification.matched[0] if self.verification else ""
        if keypoints:
            return keypoints if keypoints in LOCAL else f"hardnet:{keypoints}"
        return self.backbone if is_local(self.backbone) else VERIFIER

    @cached_property
    def matcher(self) -> str:
        """The network that matches keypoints for ``sv``; empty for nearest neighbours."""
        return self.verification.matched[1] if self.verification else ""

    @cached_property
    def verification(self) -> Step | None:
        """The step of spatial verification, if there is one."""
        return next((step for step in self.reranking_steps if step.name == "sv"), None)

    @cached_property
    def geometry(self) -> str:
        """The geometric model of ``sv`` as written in it; "" is a homography by MAGSAC++."""
        return self.verification.geometry if self.verification else ""

    @cached_property
    def local(self) -> str:
        """The local features that are compared, or else those that spatial verification would compare.

        The backbone itself where its cells are compared and nothing is verified.
        """
        own = is_local(self.backbone) or self.has_cells
        return self.compared or (self.backbone if own else VERIFIER)

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


def _name(part: str = "") -> str:
    """The name of a part, without its arguments."""
    return part.split(":")[0]


def _leaves_out_regions(parts: list[str]) -> bool:
    """Whether parts begin with a pooling of the whole image, and a step or nothing behind it."""
    return _name(*parts[:1]) in WHOLE and (
        len(parts) == 1 or _name(parts[1]) in STEPS or parts[1].startswith("sv-")
    )


DEFAULT_PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"


ONE_PIPELINE = "efficientnet_lite0/max/rmac:3/pca:256"
