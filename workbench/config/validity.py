"""Which parts of a pipeline have a meaning together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.config.errors import WorkbenchError
from workbench.config.steps import (
    CELL_STEPS,
    INDEX_STEPS,
    LIGHTGLUE,
    LIGHTGLUE_FOR,
    LOCAL,
    QUERY_RERANKING,
    REGIONS,
    RERANKING_STEPS,
    VECTOR_STEPS,
    WHOLE,
    WORDS,
    check_index,
    is_local,
)

if TYPE_CHECKING:
    from workbench.config.config import Config


def check(config: Config) -> None:
    """Raise WorkbenchError where the parts have no meaning together."""
    if config.pooling.name in WHOLE and config.regions.name != "whole":
        raise WorkbenchError(
            f"regions {config.regions}: {config.pooling.name} describes the whole image; valid: whole"
        )
    if config.pooling.name in WHOLE and config.has_vectors and config.weightings:
        raise WorkbenchError(
            f"step {config.weightings[0]}: {config.pooling.name} has no cells to weight; "
            f"valid: {', '.join([*VECTOR_STEPS, *INDEX_STEPS, *RERANKING_STEPS])}"
        )
    attention = next((step for step in config.weightings if step.name == "attention"), None)
    if config.regions.name == "whole" and attention is not None:
        raise WorkbenchError(
            f"step {attention}: it weights regions relative to each other, and whole is one; "
            f"valid with it: {', '.join(name for name in REGIONS if name != 'whole')}"
        )
    if len(config.whitenings) > 1:
        raise WorkbenchError(f"steps {', '.join(map(str, config.whitenings))}: keep one whitening")
    check_local(config)
    check_search(config)


def check_local(config: Config) -> None:
    """Raise WorkbenchError where a part needs keypoints and the backbone has none, or the reverse."""
    if config.has_cells:
        _check_cells(config)
        return
    words = config.has_words
    invalid = [] if config.has_vectors else [step for step in config.steps if step.name != "sv"]
    if invalid:
        raise WorkbenchError(
            f"step {invalid[0]}: {config.pooling.name} compares keypoints of the same word and gives an "
            "image no vector; valid: sv"
        )
    if is_local(config.backbone) != words:
        needs = f"{config.pooling.name} needs local features; valid: {', '.join(LOCAL)}, hardnet:NAME"
        raise WorkbenchError(
            f"backbone {config.backbone!r}: {needs}"
            if words
            else f"pooling {config.pooling}: {config.backbone} has no feature map; valid: {', '.join(WORDS)}"
        )
    if words and any(step.name == "scales" for step in config.steps):
        raise WorkbenchError("step scales: keypoints have sizes of their own; leave it out with bow")
    fitted = next((step for step in config.whitenings if step.learned), None)
    if words and fitted:
        raise WorkbenchError(
            f"step {fitted}: words are the collection's own, and another collection has other words; "
            f"valid: {replace(fitted, tag=None)}"
        )
    embedded = next((step for step in config.reranking_steps if step.name == "he"), None)
    if embedded and not words:
        raise WorkbenchError(f"re-ranking {embedded}: it compares keypoints of the same word; valid with bow")
    check_verification(config)
    vectors = [step for step in config.reranking_steps if step.name not in ("he", "sv", "nojunk")]
    others = [*config.vector_steps, *config.index_steps, *vectors]
    if embedded and others:
        raise WorkbenchError(
            f"re-ranking {embedded}: it adds up matches of keypoints, not of vectors; leave out "
            f"{', '.join(map(str, others))}"
        )
    if embedded and embedded.args[0] > 64:
        raise WorkbenchError(f"re-ranking {embedded}: signatures have 64 bits; valid: he:1 to he:64")


def check_verification(config: Config) -> None:
    """Raise WorkbenchError where ``sv`` names keypoints or a matcher that it cannot use."""
    if (step := config.verification) is None:
        return
    words = is_local(config.backbone)
    (keypoints, matcher), plain = step.matched, f"sv:{step.args[0]:g}"
    own = config.backbone if words else keypoints
    if words and keypoints:
        lightglue = f" or {plain}:{LIGHTGLUE}" if own in LIGHTGLUE_FOR else ""
        raise WorkbenchError(
            f"re-ranking {step}: {config.pooling.name} verifies its own keypoints; valid: {plain}{lightglue}"
        )
    if matcher and (matcher != LIGHTGLUE or own not in LIGHTGLUE_FOR):
        valid = [f"{plain}:{name}+{LIGHTGLUE}" for name in LIGHTGLUE_FOR]
        if words:
            valid = [f"{plain}, or {LIGHTGLUE} with the backbones {' and '.join(LIGHTGLUE_FOR)}"]
        raise WorkbenchError(
            f"re-ranking {step}: {matcher} is no matcher of {own or 'keypoints that are not named'}; "
            f"valid: {', '.join(valid)}"
        )


def _check_cells(config: Config) -> None:
    """Raise WorkbenchError where a part has no meaning for the cells of a map compared by words."""
    invalid = next((step for step in config.steps if step.name not in CELL_STEPS), None)
    if invalid is not None:
        raise WorkbenchError(
            f"step {invalid}: {config.pooling.name} compares cells of the same word and gives an image no "
            f"vector; valid: {', '.join(CELL_STEPS)}"
        )
    check_verification(config)


def check_search(config: Config) -> None:
    """Raise WorkbenchError where the index steps do not make one index or a re-ranking step is wrong."""
    check_index(config.index_steps)
    for step in config.reranking_steps:
        counts = step.args[:2] if step.name == "kreciprocal" else step.args[:1]
        if any(value < 1 or value != int(value) for value in counts):
            raise WorkbenchError(f"re-ranking {step}: the number of neighbours is not a whole number from 1")
        if step.name == "kreciprocal" and step.args[2] > 1:
            raise WorkbenchError(f"re-ranking {step}: lambda is a fraction; valid: 0 to 1")
    names = {step.name for step in config.reranking_steps}
    if "nojunk" in names and not names.intersection(QUERY_RERANKING):
        raise WorkbenchError(
            "re-ranking nojunk: it removes junk before another step re-ranks, and there is none; "
            f"valid after it: {', '.join(QUERY_RERANKING)}"
        )
