"""The parts of a pipeline and their arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.config import arguments
from workbench.config.arguments import Spec
from workbench.config.errors import WorkbenchError
from workbench.config.geometries import parse_geometry, written_geometry


@dataclass(frozen=True)
class Step:
    """One part of a pipeline with its arguments, written ``name:argument:argument[:tag]``."""

    name: str
    args: tuple[float, ...] = ()
    text: str | None = None  # the arguments as written, where they are not plain numbers (``3x3``)
    tag: str | None = None  # the name of something trained: TAG in ``attention:TAG`` or ``pcaw:256:TAG``
    geometry: str = ""  # of ``sv``: the model, and its estimator, as in ``sv-affine-single:100``

    @classmethod
    def parse(cls, kind: str, text: str) -> Step:
        """Read one part of a pipeline, as in ``Step.parse("regions", "rmac:3")``.

        ``kind`` is a key of ``KINDS``: the table of valid names, and the name of the part in error messages.
        Raises WorkbenchError naming the wrong argument.
        """
        text = text.strip()
        name, _, argument = text.partition(":")
        geometry = ""
        if name.startswith("sv-") and "sv" in KINDS[kind]:
            geometry = written_geometry(*parse_geometry(name.removeprefix("sv-"), f"{kind} {text!r}"))
            name = "sv"
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
        suffix = r"(?:\+[a-z]+)?" if name == "sv" else ""  # aliked+lightglue
        if name in NAMED and (
            tagged := re.fullmatch(rf"(.*):([a-z0-9_-]*[a-z_-][a-z0-9_-]*{suffix})", argument)
        ):
            argument, tag = tagged.groups()
        spec = KINDS[kind][name]
        if name == "grid":
            return cls(name, *arguments.grid(argument or "3x3", part))
        if name in ASMK:
            return cls(name, *arguments.selective(name, argument, spec, part))
        if name in STRENGTHS:
            args, written = arguments.whitening(name, argument, spec, STRENGTHS, part)
            usual = {strength: plain for plain, strength in STRENGTHS.items()}
            return cls(usual.get(args[1], "pcaw"), args, written, tag)
        args = arguments.numbers(name, argument, spec, part)
        if name in SUGGESTING:
            default = suggested_argument(cls(name, args))
            args = args[0], args[1] or default
            return cls(name, args, f"{args[0]:g}" if args[1] == default else None)
        return cls(name, args, tag=tag, geometry=geometry)

    def __str__(self) -> str:
        numbers = map(arguments.written_number, self.args)
        written = numbers if self.text is None else [self.text]
        return ":".join([self.full_name, *written, *([self.tag] if self.tag is not None else [])])

    @property
    def full_name(self) -> str:
        """The name as written, with the geometry of ``sv``."""
        return f"{self.name}-{self.geometry}" if self.geometry else self.name

    @property
    def strength(self) -> float:
        """The strength t of a whitening: PCA dimensions are divided by eigenvalue^(t/2); 1 for ``lw``."""
        return self.args[1] if self.name in STRENGTHS else 1.0

    @property
    def matched(self) -> tuple[str, str]:
        """The keypoints and the matcher that the tag of ``sv`` names, each empty where it names none.

        ``sv:10:aliked+lightglue`` names both; ``sv:10:lightglue``, of a bag of words, the matcher alone.
        """
        keypoints, plus, matcher = (self.tag or "").partition("+")
        return ("", keypoints) if keypoints == LIGHTGLUE and not plus else (keypoints, matcher)

    @property
    def learned(self) -> str | None:
        """The name of the trained weights or whitening that a step applies; ``sv`` applies none."""
        return None if self.name == "sv" else self.tag


POOLINGS: dict[str, Spec] = {
    "max": ((), 0, False),
    "mean": ((), 0, False),
    "gem": ((3,), 1, True),
    "crow": ((), 0, False),
    "code": ((), 0, False),
    "bow": ((4096,), 2, False),
    "asmk": ((65536, 3, 0), 2, True),  # words, alpha, tau
    "asmk-full": ((65536, 3, 0), 2, True),
}
REGIONS: dict[str, Spec] = {
    "whole": ((), 0, False),
    "rmac": ((3,), 1, False),
    "rmac+": ((3,), 1, False),
    "grid": ((3, 3), 1, False),
    "proposals": ((20,), 1, False),
}
WEIGHTINGS: dict[str, Spec] = {
    "centre": ((), 0, False),
    "attention": ((), 0, False),
    "norm": ((), 0, False),
}
WHITENINGS: dict[str, Spec] = {
    "pca": ((256,), 1, False),
    "pcaw": ((256,), 1, False),
    "lw": ((256,), 1, False),
}
STRENGTHS = {"pca": 0.0, "pcaw": 1.0}  # the strength of PCA whitening, which is not written
NAMED = (*WHITENINGS, "sv", "proposals")  # these take a tag after their number
VECTOR_STEPS: dict[str, Spec] = {
    **WHITENINGS,
    "power": ((0.5,), 0.01, True),
    "scales": ((3,), 1, False),
}
# A last argument of 0 stands for the value of ``suggested_argument``, which is not written.
INVERTED: dict[str, Spec] = {
    "ivf": ((64, 0), 1, False),
    "imi": ((4, 0), 1, False),
}
CODES: dict[str, Spec] = {
    "pq": ((16,), 1, False),
    "opq": ((16,), 1, False),
    "itq": ((256,), 1, False),
    "lsh": ((256,), 1, False),
    "sh": ((256,), 1, False),
}
INDEX_STEPS: dict[str, Spec] = {
    "exact": ((), 0, False),
    **INVERTED,
    **CODES,
    "hnsw": ((32, 0), 1, False),
    "diskann": ((), 0, False),  # on an index server
}
RERANKING_STEPS: dict[str, Spec] = {
    "nojunk": ((), 0, False),
    "aqe": ((5,), 1, False),
    "alphaqe": ((10, 3), 0, True),
    "dba": ((5,), 1, False),
    "diffusion": ((50,), 1, False),
    "kreciprocal": ((20, 6, 0.3), 0, True),
    "he": ((24,), 1, False),
    "sv": ((100,), 1, False),
}
ASMK = ("asmk", "asmk-full")  # poolings that compare keypoints and give an image no vector
WORDS = ("bow", *ASMK)  # poolings of keypoints
WHOLE = ("code", *WORDS)  # poolings of the whole image: their regions need not be written
CELL_STEPS = ("scales", *WHITENINGS, "sv")  # steps with a meaning for cells that ``asmk`` compares
LEARNED = ("xfeat", "aliked", "disk")  # keypoints detected and described by a network
LOCAL = ("sift", "hardnet", *LEARNED)  # backbones that describe keypoints, not cells of a map
LIGHTGLUE = "lightglue"  # a network that matches keypoints, in place of nearest neighbours
LIGHTGLUE_FOR = ("aliked", "disk")  # the keypoints that it is trained for
VISION_LANGUAGE = ("clip:", "siglip:")  # how the backbones of vision–language models begin
VERIFIER = "sift"  # the keypoints of ``sv`` where it names none and the backbone has none
BINARY = ("itq", "lsh", "sh")
QUERY_RERANKING = ("aqe", "alphaqe", "diffusion", "kreciprocal")  # those that use a query's first results
SUGGESTING = (*INVERTED, "hnsw")
STEPS = {**WEIGHTINGS, **VECTOR_STEPS, **INDEX_STEPS, **RERANKING_STEPS}
KINDS: dict[str, dict[str, Spec]] = {
    "pooling": POOLINGS,
    "regions": REGIONS,
    "weighting": WEIGHTINGS,
    "whitening": WHITENINGS,
    "index": INDEX_STEPS,
    "re-ranking": RERANKING_STEPS,
    "step": STEPS,
}


def is_local(backbone: str) -> bool:
    """Whether a backbone describes keypoints: one of ``LOCAL``, or a trained ``hardnet:NAME``."""
    return backbone in LOCAL or backbone.startswith("hardnet:")


def suggested_argument(step: Step) -> float:
    """The default number of cells probed, or of candidates held (hnsw).

    The square root of the number of cells: 8 for ``ivf:64``, 2^b for the 4^b cells of ``imi:b``;
    for hnsw twice its number of links.
    """
    first = step.args[0]
    return 2 * first if step.name == "hnsw" else max(1.0, round(cell_count(step) ** 0.5))


def cell_count(step: Step) -> float:
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
    for whole, valid in (("hnsw", "hnsw:32"), ("diskann", "diskann")):
        if len(steps) > 1 and any(step.name == whole for step in steps):
            raise WorkbenchError(
                f"index {written!r}: {whole} is a complete index by itself; valid: {valid} alone"
            )
    for step in steps:
        if step.name == "imi" and step.args[0] > 10:
            raise WorkbenchError(
                f"index {step}: imi:{step.args[0]:g} has 4^{step.args[0]:g} cells; valid: 1 to 10"
            )
        if step.name in INVERTED and step.args[1] > cell_count(step):
            raise WorkbenchError(
                f"index {step}: {step.args[1]:g} cells cannot be probed, there are {cell_count(step):g}"
            )
        if step.name in BINARY and step.args[0] % 8:
            raise WorkbenchError(f"index {step}: codes are whole bytes; valid: multiples of 8 bits")
