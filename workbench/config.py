"""One immutable pipeline and the string that names it: ``backbone/pooling/regions[/step]*``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

VERSION = "0.1.0"


class WorkbenchError(ValueError):
    """Wrong input: the message names it, says what is wrong and what to do."""


@dataclass(frozen=True)
class Step:
    """One part of a pipeline with its arguments, written ``name:argument:argument[:tag]``."""

    name: str
    args: tuple[float, ...] = ()
    text: str | None = None  # the arguments as written, where they are not plain numbers (``3x3``)
    tag: str | None = None  # the name of something trained: TAG in ``attention:TAG`` or ``pcaw:256:TAG``

    @classmethod
    def parse(cls, kind: str, text: str) -> Step:
        """Read one part of a pipeline, as in ``Step.parse("regions", "rmac:3")``.

        ``kind`` is a key of ``KINDS``: the table of valid names, and the name of the part in error messages.
        Raises WorkbenchError naming the wrong argument.
        """
        text = text.strip()
        name, _, argument = text.partition(":")
        if name not in KINDS[kind]:
            raise WorkbenchError(f"{kind} {text!r} is not known; valid: {', '.join(KINDS[kind])}")
        part = f"{kind} {text!r}"
        if name == "attention" and argument:
            if not re.fullmatch(r"[a-z0-9_-]+", argument):
                raise WorkbenchError(
                    f"{part}: a name of trained weights has only lower-case letters, digits, - and _"
                )
            return cls(name, tag=argument)
        tag = None
        if name in NAMED and (tagged := re.fullmatch(r"(.*):([a-z0-9_-]*[a-z_-][a-z0-9_-]*)", argument)):
            argument, tag = tagged.groups()
        if name == "grid":
            return _grid(argument or "3x3", part)
        args = _arguments(name, argument, KINDS[kind][name], part)
        if name in SUGGESTING:
            default = suggested(cls(name, args))
            args = args[0], args[1] or default
            return cls(name, args, f"{args[0]:g}" if args[1] == default else None)
        return cls(name, args, tag=tag)

    def __str__(self) -> str:
        arguments = [self.text] if self.text is not None else [f"{value:g}" for value in self.args]
        return ":".join([self.name, *arguments, *([self.tag] if self.tag is not None else [])])

    @property
    def named(self) -> str | None:
        """The tag: NAME in ``attention:NAME``, ``pcaw:256:NAME``, ``sv:100:NAME``, ``proposals:20:NAME``."""
        return self.tag

    @property
    def learned(self) -> str | None:
        """The name of the trained weights or whitening that a step applies; ``sv`` applies none."""
        return None if self.name == "sv" else self.tag


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
NAMED = (*WHITENINGS, "sv", "proposals")  # these take a tag after their number
VECTOR_STEPS: dict[str, _Spec] = {
    **WHITENINGS,
    "power": ((0.5,), 0.01, True),
    "scales": ((3,), 1, False),
}
# A last argument of 0 stands for the value computed from the first, which is not written (see ``suggested``).
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
VERIFIER = "sift"  # the keypoints of ``sv`` where it names none and the backbone has none
BINARY = ("itq", "lsh", "sh")
QUERY_RERANKING = ("aqe", "alphaqe", "diffusion", "kreciprocal")  # those that use a query's first results
SUGGESTING = (*INVERTED, "hnsw")
STEPS = {**WEIGHTINGS, **VECTOR_STEPS, **INDEX_STEPS, **RERANKING_STEPS}
KINDS: dict[str, dict[str, _Spec]] = {
    "pooling": POOLINGS,
    "regions": REGIONS,
    "weighting": WEIGHTINGS,
    "whitening": WHITENINGS,
    "index": INDEX_STEPS,
    "re-ranking": RERANKING_STEPS,
    "step": STEPS,
}


def is_local(backbone: str) -> bool:
    """Whether a backbone describes keypoints: ``sift``, ``hardnet`` or a trained ``hardnet:NAME``."""
    return backbone in LOCAL or backbone.startswith("hardnet:")


def suggested(step: Step) -> float:
    """The default number of cells probed, or of candidates held (hnsw).

    The square root of the number of cells: 8 for ``ivf:64``, 2^b for the 4^b cells of ``imi:b``;
    for hnsw twice its number of links.
    """
    first = step.args[0]
    return 2 * first if step.name == "hnsw" else max(1.0, round(cells(step) ** 0.5))


def cells(step: Step) -> float:
    """The number of cells of an inverted index: N for ``ivf:N``, 4^b for ``imi:b``."""
    return 4.0 ** min(step.args[0], 64) if step.name == "imi" else step.args[0]


def parse_index(text: str) -> tuple[Step, ...]:
    """Read an index such as ``ivf:64,pq:16``: the inverted index before the code; ``exact`` gives no step.

    Raises WorkbenchError where a step is wrong or the steps do not make one index.
    """
    steps = [Step.parse("index", word) for word in text.split(",")]
    ordered = sorted((step for step in steps if step.name != "exact"), key=lambda step: step.name in CODES)
    check_index(ordered)
    return tuple(ordered)


def check_index(steps: Sequence[Step]) -> None:
    """Raise WorkbenchError where index steps do not make one index or an argument is out of range."""
    written = ",".join(map(str, steps))
    for kind, table in (("inverted index", INVERTED), ("code", CODES)):
        same = [str(step) for step in steps if step.name in table]
        if len(same) > 1:
            raise WorkbenchError(
                f"index {written!r}: {' and '.join(same)} are both a kind of {kind}; keep one"
            )
    if len(steps) > 1 and any(step.name == "hnsw" for step in steps):
        raise WorkbenchError(f"index {written!r}: hnsw is a complete index by itself; valid: hnsw:32 alone")
    for step in steps:
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


def _grid(argument: str, part: str) -> Step:
    match = re.fullmatch(r"(\d+)x(\d+)", argument)
    if not match or min(map(int, match.groups())) < 1:
        raise WorkbenchError(f"{part}: a grid is written rows x columns, as in grid:3x3")
    rows, columns = map(int, match.groups())
    return Step("grid", (rows, columns), f"{rows}x{columns}")


def _arguments(name: str, argument: str, spec: _Spec, part: str) -> tuple[float, ...]:
    """The numbers of ``number:number``, with the defaults of the table where there are fewer."""
    defaults, smallest, fractions = spec
    values = argument.split(":") if argument else []
    if len(values) > len(defaults):
        raise WorkbenchError(f"{part}: {name} takes {len(defaults) or 'no'} argument(s)")
    pattern, number = (r"\d+(\.\d+)?", "number") if fractions else (r"\d+", "whole number")
    for value in values:
        if not re.fullmatch(pattern, value) or float(value) < smallest or float(value) > 1e9:
            raise WorkbenchError(f"{part}: {value!r} is not a {number} from {smallest:g}")
    return (*map(float, values), *defaults[len(values) :])


@dataclass(frozen=True)
class Config:
    """One pipeline. ``str(Config.parse(text))`` is canonical and parses back to itself.

    Weightings come before vector steps, index steps and re-ranking steps; vector steps are applied
    in the order in which they are written. Raises WorkbenchError naming the wrong part.
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
        # The inverted index before the code, database-side expansion before query expansion.
        within = {**dict.fromkeys((*CODES, "nojunk", "he"), 1), **dict.fromkeys((*QUERY_RERANKING, "sv"), 2)}
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
        if self.regions.name == "whole" and any(step.name == "attention" for step in self.weightings):
            raise WorkbenchError(
                f"step {self.weightings[0]}: it weights regions relative to each other, and whole is one; "
                f"valid with it: {', '.join(name for name in REGIONS if name != 'whole')}"
            )
        if len(self.weightings) > 1:
            raise WorkbenchError(f"steps {', '.join(map(str, self.weightings))}: keep one weighting")
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
                f"valid: {fitted.name}:{fitted.args[0]:g}"
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
