"""One immutable pipeline and the string that names it: ``backbone/pooling/regions[/step]*``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

VERSION = "0.1.0"


class WorkbenchError(ValueError):
    """Wrong input: the message names it, says what is wrong and what to do."""


@dataclass(frozen=True)
class Step:
    """One named part with its arguments, written ``name:argument:argument``."""

    name: str
    args: tuple[float, ...] = ()
    text: str | None = None  # the argument as written, where it is no plain number (``3x3``)

    def __str__(self) -> str:
        arguments = [self.text] if self.text is not None else [f"{a:g}" for a in self.args]
        return ":".join([self.name, *arguments])

    @property
    def named(self) -> str | None:
        """The name behind the numbers: of ``attention:NAME``, ``pcaw:256:NAME``, ``proposals:20:NAME``."""
        named = self.text is not None and self.name in ("attention", *NAMED)
        return str(self.text).rpartition(":")[2] if named else None

    @property
    def learned(self) -> str | None:
        """The name under which was kept what the step applies; that of ``sv`` is of local features."""
        return None if self.name == "sv" else self.named


# name → (default arguments, smallest value of each, whether fractions are allowed)
_Spec = tuple[tuple[float, ...], float, bool]
POOLINGS: dict[str, _Spec] = {
    "max": ((), 0, False),
    "mean": ((), 0, False),
    "gem": ((3,), 1, True),
    "crow": ((), 0, False),
    "code": ((), 0, False),
    "bow": ((4096,), 2, False),
}
REGIONS: dict[str, _Spec] = {
    "whole": ((), 0, False),
    "rmac": ((3,), 1, False),
    "rmac+": ((3,), 1, False),
    "grid": ((3, 3), 1, False),
    "proposals": ((20,), 1, False),
}
WEIGHTINGS: dict[str, _Spec] = {
    "centre": ((), 0, False),
    "attention": ((), 0, False),
    "norm": ((), 0, False),
}
WHITENINGS: dict[str, _Spec] = {
    "pca": ((256,), 1, False),
    "pcaw": ((256,), 1, False),
    "lw": ((256,), 1, False),
}
NAMED = (*WHITENINGS, "sv", "proposals")  # these may end in a name
VECTOR_STEPS: dict[str, _Spec] = {
    **WHITENINGS,
    "power": ((0.5,), 0.01, True),
    "scales": ((3,), 1, False),
}
# A last argument of 0 is what the one before it suggests, and is then not written (see ``suggested``).
INVERTED: dict[str, _Spec] = {
    "ivf": ((64, 0), 1, False),
    "imi": ((4, 0), 1, False),
}
CODES: dict[str, _Spec] = {
    "pq": ((16,), 1, False),
    "opq": ((16,), 1, False),
    "itq": ((256,), 1, False),
    "lsh": ((256,), 1, False),
    "sh": ((256,), 1, False),
}
INDEX_STEPS: dict[str, _Spec] = {
    "exact": ((), 0, False),
    **INVERTED,
    **CODES,
    "hnsw": ((32, 0), 1, False),
}
RERANKING_STEPS: dict[str, _Spec] = {
    "nojunk": ((), 0, False),
    "aqe": ((5,), 1, False),
    "alphaqe": ((10, 3), 0, True),
    "dba": ((5,), 1, False),
    "diffusion": ((50,), 1, False),
    "kreciprocal": ((20, 6, 0.3), 0, True),
    "he": ((24,), 1, False),
    "sv": ((100,), 1, False),
}
LOCAL = ("sift", "hardnet")  # backbones that describe keypoints, not cells of a map
VERIFIER = "sift"  # what ``sv`` verifies with, where the backbone has no keypoints and it does not say
BINARY = ("itq", "lsh", "sh")
QUERY_RERANKING = ("aqe", "alphaqe", "diffusion", "kreciprocal")  # those that look at a query's first results
SUGGESTING = (*INVERTED, "hnsw")
STEPS = {**WEIGHTINGS, **VECTOR_STEPS, **INDEX_STEPS, **RERANKING_STEPS}


def is_local(backbone: str) -> bool:
    """Whether a backbone describes keypoints: ``sift``, ``hardnet``, or a HardNet that was trained apart."""
    return backbone in LOCAL or backbone.startswith("hardnet:")


def suggested(step: Step) -> float:
    """How many cells are probed, or candidates held (hnsw), where a pipeline does not say.

    The root of the number of cells: 8 of ``ivf:64``, 2^b of the 4^b of ``imi:b``; twice the links of hnsw.
    """
    first = step.args[0]
    return 2 * first if step.name == "hnsw" else max(1.0, round(cells(step) ** 0.5))


def cells(step: Step) -> float:
    """How many cells an inverted index has: N of ``ivf:N``, 4^b of ``imi:b``."""
    return 4.0 ** min(step.args[0], 64) if step.name == "imi" else step.args[0]


def _step(text: str, table: dict[str, _Spec], part: str) -> Step:
    name, _, argument = text.partition(":")
    if name not in table:
        raise WorkbenchError(f"{part} {text!r} is not known; valid: {', '.join(table)}")
    defaults, smallest, fractions = table[name]
    if name == "attention" and argument:
        if not re.fullmatch(r"[a-z0-9_-]+", argument):
            raise WorkbenchError(
                f"{part} {text!r}: the name of a trained attention has small letters, digits, - and _ only"
            )
        return Step(name, (), argument)
    named = re.fullmatch(r"(.*):([a-z0-9_-]*[a-z_-][a-z0-9_-]*)", argument)
    if name in NAMED and named:
        step = _step(f"{name}:{named[1]}", table, part)
        return Step(name, step.args, f"{step.args[0]:g}:{named[2]}")
    if name == "grid":
        match = re.fullmatch(r"(\d+)x(\d+)", argument or "3x3")
        if not match or min(map(int, match.groups())) < 1:
            raise WorkbenchError(f"{part} {text!r}: a grid is written rows x columns, as in grid:3x3")
        rows, columns = map(int, match.groups())
        return Step(name, (rows, columns), f"{rows}x{columns}")
    values = argument.split(":") if argument else []
    if len(values) > len(defaults):
        raise WorkbenchError(f"{part} {text!r}: {name} takes {len(defaults) or 'no'} argument(s)")
    arguments = list(defaults)
    for position, value in enumerate(values):
        pattern = r"\d+(\.\d+)?" if fractions else r"\d+"
        if not re.fullmatch(pattern, value) or float(value) < smallest or float(value) > 1e9:
            kind = "number" if fractions else "whole number"
            raise WorkbenchError(f"{part} {text!r}: {value!r} is not a {kind} from {smallest:g}")
        arguments[position] = float(value)
    step = Step(name, tuple(arguments))
    if name in SUGGESTING:
        arguments[1] = arguments[1] or suggested(step)
        written = f"{name}:{arguments[0]:g}" if arguments[1] == suggested(step) else None
        step = Step(name, tuple(arguments), written and written.partition(":")[2])
    return step


@dataclass(frozen=True)
class Config:
    """One pipeline. ``str(Config.parse(text))`` is canonical and parses back to itself.

    Weightings come before vector steps, index steps and re-ranking steps; within the vector
    steps the written order is the order of work. Raises WorkbenchError naming the wrong part.
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
        # A path or a hub name in the backbone may hold slashes: it ends before the pooling.
        start = 1
        if parts[0].startswith(("file:", "timm:", "hardnet:")):
            candidates = [
                i
                for i in range(1, len(parts) - 1)
                if parts[i].split(":")[0] in POOLINGS and parts[i + 1].split(":")[0] in REGIONS
            ]
            start = candidates[-1] if candidates else len(parts)
        if len(parts) < start + 2 or not parts[0]:
            raise WorkbenchError(
                f"pipeline {text!r} is incomplete: it is written backbone/pooling/regions[/step…], "
                "as in efficientnet_lite0/max/rmac:3/pcaw:256"
            )
        backbone = "/".join(parts[:start])
        pooling = _step(parts[start], POOLINGS, "pooling")
        regions = _step(parts[start + 1], REGIONS, "regions")
        # ``ivf:64,pq:16`` is one index made of two steps.
        words = [word for part in parts[start + 2 :] for word in part.split(",")]
        steps = [_step(word, STEPS, "step") for word in words if word != "exact"]
        stage = {
            name: i
            for i, table in enumerate((WEIGHTINGS, VECTOR_STEPS, INDEX_STEPS, RERANKING_STEPS))
            for name in table
        }
        names = [step.name for step in steps]
        for name in names:
            if names.count(name) > 1:
                raise WorkbenchError(f"step {name!r} stands twice in {text!r}; keep one")
        # The inverted index before the code, the database's own expansion before the query's.
        within = {**dict.fromkeys((*CODES, "nojunk", "he"), 1), **dict.fromkeys((*QUERY_RERANKING, "sv"), 2)}
        steps.sort(key=lambda step: (stage[step.name], within.get(step.name, 0)))
        config = cls(backbone, pooling, regions, tuple(steps))
        config._check()
        return config

    def _check(self) -> None:
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
        if self.regions.name == "whole" and any(s.name == "attention" for s in self.weightings):
            raise WorkbenchError(
                f"step {self.weightings[0]}: it weights regions against one another, and whole is one; "
                f"valid with it: {', '.join(name for name in REGIONS if name != 'whole')}"
            )
        if len(self.weightings) > 1:
            raise WorkbenchError(f"steps {', '.join(map(str, self.weightings))}: keep one weighting")
        if len(self.whitenings) > 1:
            raise WorkbenchError(f"steps {', '.join(map(str, self.whitenings))}: keep one whitening")
        self._check_local()
        self._check_search()

    def _check_local(self) -> None:
        """Whether what needs keypoints has them."""
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
        elsewhere = next((step for step in self.whitenings if step.learned), None)
        if words and elsewhere:
            raise WorkbenchError(
                f"step {elsewhere}: words are the collection's own, those of another have another order; "
                f"valid: {elsewhere.name}:{elsewhere.args[0]:g}"
            )
        embedded = next((step for step in self.reranking_steps if step.name == "he"), None)
        if embedded and not words:
            raise WorkbenchError(f"re-ranking {embedded}: it compares what shares a word; valid with bow")
        verification = next((step for step in self.reranking_steps if step.name == "sv"), None)
        if words and verification and verification.named:
            raise WorkbenchError(
                f"re-ranking {verification}: a bag of words verifies its own keypoints; "
                f"valid: sv:{verification.args[0]:g}"
            )
        vectors = [s for s in self.reranking_steps if s.name not in ("he", "sv", "nojunk")]
        others = [*self.vector_steps, *self.index_steps, *vectors]
        if embedded and others:
            raise WorkbenchError(
                f"re-ranking {embedded}: it adds up matches of keypoints, not of vectors; leave out "
                f"{', '.join(map(str, others))}"
            )
        if embedded and embedded.args[0] > 64:
            raise WorkbenchError(f"re-ranking {embedded}: signatures have 64 bits; valid: he:1 to he:64")

    def _check_search(self) -> None:
        """Whether the index steps make one index, and the re-ranking steps have a meaning."""
        index, reranking = self.index_steps, self.reranking_steps
        written = ",".join(map(str, index))
        for kind, table in (("inverted index", INVERTED), ("code", CODES)):
            same = [str(s) for s in index if s.name in table]
            if len(same) > 1:
                raise WorkbenchError(
                    f"index {written!r}: {' and '.join(same)} are both a kind of {kind}; keep one"
                )
        if len(index) > 1 and any(s.name == "hnsw" for s in index):
            raise WorkbenchError(f"index {written!r}: hnsw is a whole index of its own; valid: hnsw:32 alone")
        for step in index:
            if step.name == "imi" and step.args[0] > 10:
                raise WorkbenchError(
                    f"index {step}: imi:{step.args[0]:g} has 4^{step.args[0]:g} cells; valid: 1 to 10"
                )
            if step.name in INVERTED and step.args[1] > cells(step):
                raise WorkbenchError(
                    f"index {step}: {step.args[1]:g} cells cannot be probed, there are {cells(step):g}"
                )
            if step.name in BINARY and step.args[0] % 8:
                raise WorkbenchError(f"index {step}: codes are whole bytes; valid: multiples of 8 bits")
        for step in reranking:
            whole = step.args[:2] if step.name == "kreciprocal" else step.args[:1]
            if any(value < 1 or value != int(value) for value in whole):
                raise WorkbenchError(f"re-ranking {step}: neighbours are counted, by whole numbers from 1")
            if step.name == "kreciprocal" and step.args[2] > 1:
                raise WorkbenchError(f"re-ranking {step}: lambda is a share; valid: 0 to 1")
        if any(s.name == "nojunk" for s in reranking) and not any(
            s.name in QUERY_RERANKING for s in reranking
        ):
            raise WorkbenchError(
                "re-ranking nojunk: it removes junk before another step re-ranks, and there is none; "
                f"valid after it: {', '.join(QUERY_RERANKING)}"
            )

    @cached_property
    def weightings(self) -> tuple[Step, ...]:
        return tuple(s for s in self.steps if s.name in WEIGHTINGS)

    @cached_property
    def whitenings(self) -> tuple[Step, ...]:
        return tuple(s for s in self.steps if s.name in WHITENINGS)

    @cached_property
    def vector_steps(self) -> tuple[Step, ...]:
        """The steps on vectors in their order of work, without ``scales`` (which is on images)."""
        return tuple(s for s in self.steps if s.name in VECTOR_STEPS and s.name != "scales")

    @cached_property
    def index_steps(self) -> tuple[Step, ...]:
        """Of the index, the inverted index before the code; none: exact search."""
        return tuple(s for s in self.steps if s.name in INDEX_STEPS)

    @cached_property
    def reranking_steps(self) -> tuple[Step, ...]:
        """In their order of work."""
        return tuple(s for s in self.steps if s.name in RERANKING_STEPS)

    @cached_property
    def compared(self) -> str | None:
        """The local features that re-ranking compares, of ``sv`` or ``he``; None where it compares none."""
        step = next((step for step in self.reranking_steps if step.name in ("sv", "he")), None)
        if step is None:
            return None
        if step.named is not None:
            return step.named if step.named in LOCAL else f"hardnet:{step.named}"
        return self.backbone if is_local(self.backbone) else VERIFIER

    @cached_property
    def local(self) -> str:
        """The local features that it compares or is made of, or those that it would verify with."""
        return self.compared or (self.backbone if is_local(self.backbone) else VERIFIER)

    @cached_property
    def description(self) -> Config:
        """What decides the descriptors: this pipeline without index and re-ranking."""
        searching = {*INDEX_STEPS, *RERANKING_STEPS}
        return replace(self, steps=tuple(s for s in self.steps if s.name not in searching))

    @cached_property
    def scales(self) -> int:
        """How many image scales are described and averaged: 1, 1/√2, 1/2 …"""
        return next((int(s.args[0]) for s in self.steps if s.name == "scales"), 1)

    def __str__(self) -> str:
        index = [s for s in self.steps if s.name in INDEX_STEPS]
        words = [str(s) for s in self.steps if s.name not in INDEX_STEPS and s.name not in RERANKING_STEPS]
        if index:
            words.append(",".join(map(str, index)))
        words += [str(s) for s in self.steps if s.name in RERANKING_STEPS]
        return "/".join([self.backbone, str(self.pooling), str(self.regions), *words])
