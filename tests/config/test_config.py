"""The pipeline string: its canonical form, and errors that name the invalid part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import INDEX_STEPS, POOLINGS, REGIONS, STEPS, Step, parse_index

WRITTEN = [
    ("efficientnet_lite0/max/rmac:3/pcaw:256", "efficientnet_lite0/max/rmac:3/pcaw:256"),
    ("efficientnet_lite0/max/rmac/pcaw", "efficientnet_lite0/max/rmac:3/pcaw:256"),
    ("vgg16@conv5_3/gem/whole", "vgg16@conv5_3/gem:3/whole"),
    ("vgg16/gem:2.5/whole/power", "vgg16/gem:2.5/whole/power:0.5"),
    ("x/max/whole/pcaw:256:0.50", "x/max/whole/pcaw:256:0.5"),
    ("x/max/whole/pcaw:256:1", "x/max/whole/pcaw:256"),
    ("x/max/whole/pcaw:256:0", "x/max/whole/pca:256"),
    ("x/max/whole/pcaw:256:1:holidays", "x/max/whole/pcaw:256:holidays"),
    ("x/max/whole/pcaw:256:0.25:holidays", "x/max/whole/pcaw:256:0.25:holidays"),
    ("x/mean/whole/pcaw:256/centre", "x/mean/whole/centre/pcaw:256"),
    ("x/max/rmac:5/pcaw:8/attention/centre", "x/max/rmac:5/centre/attention/pcaw:8"),
    ("x/max/rmac:5/norm/attention:mine/centre", "x/max/rmac:5/centre/attention:mine/norm"),
    ("alexnet@fc6/code/whole/pca:256", "alexnet@fc6/code/whole/pca:256"),
    ("x/max/grid:3x2/exact", "x/max/grid:3x2"),
    ("x/max/whole/ivf:64,pq:16/aqe", "x/max/whole/ivf:64,pq:16/aqe:5"),
    ("x/max/whole/alphaqe:10:3", "x/max/whole/alphaqe:10:3"),
    ("sift/bow:4096/whole/sv:100", "sift/bow:4096/whole/sv:100"),
    ("sift/bow:4096/sv:100", "sift/bow:4096/whole/sv:100"),
    ("x@fc6/code", "x@fc6/code/whole"),
    ("x/code/exact", "x/code/whole"),
    ("sift/asmk", "sift/asmk:65536/whole"),
    ("sift/asmk:65536:3.0:0/whole", "sift/asmk:65536/whole"),
    ("sift/asmk-full:64:3:0.20/sv:50", "sift/asmk-full:64:3:0.2/whole/sv:50"),
    ("sift/asmk:1048576:2.5", "sift/asmk:1048576:2.5/whole"),
    ("sift/bow:1000001/pq:8", "sift/bow:1000001/whole/pq:8"),
    ("vgg16@conv5_3/asmk:64", "vgg16@conv5_3/asmk:64/whole"),
    ("vgg16/asmk/pcaw:128/scales:5/sv:9:hardnet", "vgg16/asmk:65536/whole/pcaw:128/scales:5/sv:9:hardnet"),
    ("hardnet:/bow/sv/x.pth/asmk:64", "hardnet:/bow/sv/x.pth/asmk:64/whole"),
    (
        "file:/code/x/net.safetensors/code/ivf:64,pq:16",
        "file:/code/x/net.safetensors/code/whole/ivf:64,pq:16",
    ),
    (
        "file:/photos/max/whole/net.safetensors/max/rmac+:3",
        "file:/photos/max/whole/net.safetensors/max/rmac+:3",
    ),
    ("timm:hub/vit_tiny/mean/whole", "timm:hub/vit_tiny/mean/whole"),
    (" x / max / whole ", "x/max/whole"),
]


@pytest.mark.parametrize(("written", "canonical"), WRITTEN)
def test_a_pipeline_has_a_canonical_text(written: str, canonical: str) -> None:
    config = Config.parse(written)
    assert str(config) == canonical
    assert Config.parse(canonical) == config


WRONG = [
    ("", "incomplete"),
    ("x/max", "incomplete"),
    ("x/maxx/whole", "'maxx'"),
    ("x/max/rmac:0", "'0'"),
    ("x/max/rmac:three", "'three'"),
    ("x/max/rmac:3:4", "takes 1 argument"),
    ("x/max:2/whole", "takes no argument"),
    ("x/gem:0.5/whole", "'0.5'"),
    ("x/gem:nan/whole", "'nan'"),
    ("x/max/grid:3", "rows x columns"),
    ("x/max/grid:0x3", "rows x columns"),
    ("x/max/whole/frob", "'frob'"),
    ("x/max/whole/pcaw:8:1.5", "strength '1.5' is not a number from 0"),
    ("x/max/whole/pcaw:8:.5", "strength '.5' is not a number from 0"),
    ("x/max/whole/pcaw:8:0.5:0.5", "strength '0.5:0.5' is not a number from 0"),
    ("x/max/whole/pca:8:0.5", "written pcaw:8:0.5"),
    ("x/max/whole/lw:8:0.5", "takes 1 argument"),
    ("x/max/whole/pca:8/pcaw:8", "keep one whitening"),
    ("x/max/whole/pca:8/pca:9", "twice"),
    ("x/max/rmac:3/centre/centre", "twice"),
    ("x/max/rmac:3/attention/attention:mine", "twice"),
    ("x/max/whole/centre/attention", "step attention: it weights regions relative to each other"),
    ("x/code/rmac:3", "valid: whole"),
    ("x/code/whole/centre", "no cells to weight"),
    ("sift/max/whole", "valid: bow"),
    ("vgg16/bow:10/whole", "valid: sift, hardnet"),
    ("hardnet:mine/mean/whole", "valid: bow"),
    ("sift/bow:10/rmac:3", "valid: whole"),
    ("sift/bow:10/whole/scales:3", "sizes of their own"),
    ("sift/bow:10/whole/pca:8:other", "words are the collection's own"),
    ("x/max/whole/he:24", "valid with bow"),
    ("sift/bow:10/whole/he:65", "64 bits"),
    ("sift/bow:10/whole/power:0.5/he:24", "leave out power:0.5"),
    ("sift/bow:10/whole/he:24/aqe:5", "leave out aqe:5"),
    ("sift/bow:10/whole/pq:8/he:24", "leave out pq:8"),
    ("sift/bow:10/whole/sv:50:hardnet", "valid: sv:50"),
    ("x/max/whole/sv:0", "not a whole number from 1"),
    ("sift/asmk:64:0", "alpha '0' is not a number above 0"),
    ("sift/asmk:64:nan", "alpha 'nan'"),
    ("sift/asmk:64:3:1", "tau '1' is not a number from 0 to below 1"),
    ("sift/asmk:64:3:0:1", "takes 3 argument"),
    ("sift/asmk:64.5", "'64.5' is not a whole number from 2"),
    ("sift/asmk:64/rmac:3", "regions rmac:3: asmk describes the whole image; valid: whole"),
    ("vgg16/bow:64", "bow needs local features; valid: sift, hardnet"),
    (
        "vgg16/asmk:64/aqe:5",
        "asmk compares cells of the same word and gives an image no vector; valid: scales",
    ),
    ("vgg16/asmk:64/whole/centre", "valid: scales, pca, pcaw, lw, sv"),
    ("sift/bow:64/whole/asmk:64", "valid: sift/asmk:64/whole"),
    ("x/max/rmac:3/gem:2", "valid: x/gem:2/rmac:3"),
    (
        "sift/asmk-full:64/pca:8",
        "step pca:8: asmk-full compares keypoints of the same word and gives an image",
    ),
    *(
        (f"sift/asmk:64/{step}", "valid: sv")
        for step in ("ivf", "power", "norm", "he", "aqe", "sv/dba", "scales")
    ),
    ("sift/asmk:64/sv:50:hardnet", "asmk verifies its own keypoints; valid: sv:50"),
]


@pytest.mark.parametrize(("written", "message"), WRONG)
def test_an_invalid_pipeline_is_refused_with_a_message(written: str, message: str) -> None:
    with pytest.raises(WorkbenchError) as caught:
        Config.parse(written)
    assert message in str(caught.value)


def test_proposals_may_have_a_name() -> None:
    config = Config.parse("x/max/proposals:20:mine")
    assert (config.regions.args, config.regions.learned, str(config)) == (
        (20,),
        "mine",
        "x/max/proposals:20:mine",
    )
    assert Config.parse("x/max/proposals").regions.learned is None


@pytest.mark.parametrize(
    ("kind", "text", "args", "tag", "canonical"),
    [
        ("pooling", "gem", (3,), None, "gem:3"),
        ("regions", " rmac:3 ", (3,), None, "rmac:3"),
        ("regions", "grid:3x2", (3, 2), None, "grid:3x2"),
        ("weighting", "attention:mine", (), "mine", "attention:mine"),
        ("whitening", "pcaw:064:there", (64, 1), "there", "pcaw:64:there"),
        ("whitening", "pcaw:64:0.50", (64, 0.5), None, "pcaw:64:0.5"),
        ("whitening", "pcaw:64:0", (64, 0), None, "pca:64"),
        ("index", "ivf:64", (64, 8), None, "ivf:64"),
        ("re-ranking", "sv:20:hardnet", (20,), "hardnet", "sv:20:hardnet"),
    ],
)
def test_a_single_step_is_parsed(
    kind: str, text: str, args: tuple[float, ...], tag: str | None, canonical: str
) -> None:
    step = Step.parse(kind, text)
    assert (step.args, step.tag, str(step)) == (args, tag, canonical)
    assert Step.parse(kind, canonical) == step


def test_a_step_of_another_kind_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="regions 'gem:3' is not known; valid: whole, rmac"):
        Step.parse("regions", "gem:3")
    with pytest.raises(WorkbenchError, match="both a kind of code"):
        parse_index("pq:8,opq:8")
    assert [str(step) for step in parse_index("pq:16,exact,ivf:64")] == ["ivf:64", "pq:16"]


@given(
    st.sampled_from(sorted(POOLINGS)),
    st.sampled_from(sorted(REGIONS)),
    st.lists(st.sampled_from(sorted(set(STEPS) - set(INDEX_STEPS))), max_size=4),
)
def test_the_canonical_text_parses_to_the_same_pipeline(pooling: str, regions: str, steps: list[str]) -> None:
    try:
        config = Config.parse("/".join(["backbone", pooling, regions, *steps]))
    except WorkbenchError:
        return
    assert Config.parse(str(config)) == config
    assert str(Config.parse(str(config))) == str(config)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused_with_a_message(text: str) -> None:
    try:
        assert str(Config.parse(text))
    except WorkbenchError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("ivf:64", "ivf:64"),
        ("ivf:64:8", "ivf:64"),  # the default number of probes is the square root of 64
        ("ivf:64:3,pq:16", "ivf:64:3,pq:16"),
        ("pq:16,ivf:100", "ivf:100,pq:16"),
        ("pq:16/ivf:100", "ivf:100,pq:16"),
        ("imi:5:3", "imi:5:3"),
        ("imi:5:32", "imi:5"),
        ("hnsw:16:32", "hnsw:16"),
        ("exact", ""),
        ("aqe:2/dba:3", "dba:3/aqe:2"),  # the database is expanded before the search
        ("alphaqe:5/nojunk", "nojunk/alphaqe:5:3"),
        ("kreciprocal", "kreciprocal:20:6:0.3"),
    ],
)
def test_index_and_reranking_steps_have_a_canonical_text(written: str, canonical: str) -> None:
    config = Config.parse(f"x/max/whole/{written}")
    assert str(config) == "/".join(["x/max/whole", canonical]).rstrip("/")
    assert Config.parse(str(config)) == config
    assert str(config.description) == "x/max/whole"


def test_the_default_number_of_probes_depends_on_the_index() -> None:
    def probes(step: str) -> float:
        return Step.parse("index", step).args[1]

    assert [probes(step) for step in ("ivf:64", "ivf:1", "ivf:2", "imi:4", "hnsw:32")] == [8, 1, 1, 16, 64]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("ivf:64:65", "there are 64"),
        ("imi:1:5", "there are 4"),
        ("imi:11", "1 to 10"),
        ("pq:8,opq:8", "keep one"),
        ("ivf:8,imi:2", "keep one"),
        ("hnsw:8,pq:8", "hnsw:32 alone"),
        ("sh:20", "multiples of 8"),
        ("nojunk", "removes junk before another step"),
        ("alphaqe:0:3", "from 1"),
        ("kreciprocal:20:6:2", "0 to 1"),
        ("aqe:2.5", "whole number"),
    ],
)
def test_an_invalid_search_step_is_refused_with_a_message(steps: str, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        Config.parse(f"x/max/whole/{steps}")


@pytest.mark.parametrize(
    ("written", "canonical", "compared"),
    [
        ("sift/bow/whole", "sift/bow:4096/whole", None),
        ("hardnet:mine/bow:64/whole/sv", "hardnet:mine/bow:64/whole/sv:100", "hardnet:mine"),
        (
            "hardnet:/a/b@c/d.pth/bow:64/whole/he",
            "hardnet:/a/b@c/d.pth/bow:64/whole/he:24",
            "hardnet:/a/b@c/d.pth",
        ),
        ("x/max/whole/sv:20", "x/max/whole/sv:20", "sift"),
        ("x/max/whole/sv:20:hardnet", "x/max/whole/sv:20:hardnet", "hardnet"),
        ("x/max/whole/sv:20:mine", "x/max/whole/sv:20:mine", "hardnet:mine"),
        ("sift/bow:9/whole/aqe:2/sv:5", "sift/bow:9/whole/aqe:2/sv:5", "sift"),  # in the order of execution
        ("sift/bow:9/whole/sv:5/aqe:2", "sift/bow:9/whole/sv:5/aqe:2", "sift"),
        ("sift/bow:9/whole/sv:5/he:20", "sift/bow:9/whole/he:20/sv:5", "sift"),
    ],
)
def test_the_compared_keypoints_are_those_of_the_pipeline_or_step(
    written: str, canonical: str, compared: str | None
) -> None:
    config = Config.parse(written)
    assert str(config) == str(Config.parse(canonical)) == canonical
    assert config.compared == compared
