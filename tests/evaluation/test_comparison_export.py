"""Tables of comparisons in LaTeX, Markdown and CSV, against expectations written by hand."""

from __future__ import annotations

import csv
import io
from math import nan
from pathlib import Path

import pytest

from tests.support.evaluations import evaluation_of
from workbench.config.errors import WorkbenchError
from workbench.evaluation.comparison import Comparison
from workbench.evaluation.comparison_export import latex_text

MAX, MEAN = "efficientnet_lite0/max/rmac:2", "efficientnet_lite0/mean/whole"


@pytest.fixture
def pair() -> Comparison:
    first = evaluation_of(MAX, [0.5, 0.751, nan], protocol="revisited", warnings=["50 % random & new"])
    second = evaluation_of(
        MEAN, [0.25, nan, 0.3], protocol="revisited", warnings=["50 % random & new", "n_2"]
    )
    return Comparison([first, second])


def test_latex_is_a_table_with_rules_and_the_best_in_bold(pair: Comparison) -> None:
    assert pair.to_latex() == (
        "% photos, Revisited Oxford and Paris (Radenović et al. 2018), 2 of 3 queries\n"
        "% 50 % random & new\n"
        "% efficientnet_lite0/mean/whole: n_2\n"
        "% \\usepackage{booktabs}\n"
        "\\begin{tabular}{lrrr}\n"
        "\\toprule\n"
        "Pipeline & mAP easy, \\% & mAP medium, \\% & mAP hard, \\% \\\\\n"
        "\\midrule\n"
        "\\texttt{efficientnet\\_lite0/max/rmac:2} & \\textbf{62.5} & \\textbf{62.5} & \\textbf{31.3} \\\\\n"
        "\\texttt{efficientnet\\_lite0/mean/whole} & 27.5 & 27.5 & 13.8 \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b", r"a\_b"),
        ("a & b", r"a \& b"),
        ("50 %", r"50 \%"),
        ("#1 $x$", r"\#1 \$x\$"),
        ("{x}", r"\{x\}"),
        ("~/x^2", r"\textasciitilde{}/x\textasciicircum{}2"),
        ("C:\\new", r"C:\textbackslash{}new"),
        ("<b>|", r"\textless{}b\textgreater{}\textbar{}"),
        ("–", "--"),
        ("a\nb", r"a\textbackslash{}nb"),
        ("é", "é"),
    ],
)
def test_characters_that_mean_something_to_latex_are_escaped(text: str, latex: str) -> None:
    assert latex_text(text) == latex


def test_notes_with_line_breaks_stay_comments() -> None:
    text = Comparison([evaluation_of(MAX, [0.5], warnings=["a\n\\input{x}"])]).to_latex()
    before = text[: text.index("\\begin")].strip().split("\n")
    assert all(line.startswith("% ") for line in before)


def test_single_pipeline_is_not_the_best_and_missing_values_are_dashes() -> None:
    single = Comparison([evaluation_of(MAX, [0.5])])
    assert "textbf" not in single.to_latex() and "**" not in single.to_markdown()
    missing = Comparison([evaluation_of(MAX, [nan]), evaluation_of(MEAN, [nan])])
    assert "& -- \\\\" in missing.to_latex() and "textbf" not in missing.to_latex()


def test_markdown_is_a_table_with_notes_below_it(pair: Comparison) -> None:
    assert pair.to_markdown() == (
        "| Pipeline | mAP easy, % | mAP medium, % | mAP hard, % |\n"
        "|:--|--:|--:|--:|\n"
        "| `efficientnet_lite0/max/rmac:2` | **62.5** | **62.5** | **31.3** |\n"
        "| `efficientnet_lite0/mean/whole` | 27.5 | 27.5 | 13.8 |\n"
        "\n"
        "- photos, Revisited Oxford and Paris (Radenović et al. 2018), 2 of 3 queries\n"
        "- 50 % random \\& new\n"
        "- efficientnet\\_lite0/mean/whole: n\\_2\n"
    )


def test_names_do_not_leave_their_cell_in_markdown() -> None:
    text = Comparison([evaluation_of("file:a|`b``c`/max/whole", [0.5], warnings=["<b>"])]).to_markdown()
    assert "| ``` file:a\\|`b``c`/max/whole ``` | 50.0 |" in text
    assert "- \\<b\\>" in text


def test_csv_has_fractions_in_full_precision(pair: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(pair.to_csv())))
    assert [row["pipeline"] for row in rows] == [MAX, MEAN]
    assert [float(row["mean_ap"]) for row in rows] == [e.mean_ap for e in pair.evaluations]
    assert [float(row["mAP_hard"]) for row in rows] == [e.metrics["mAP_hard"] for e in pair.evaluations]
    assert rows[1]["notes"] == "50 % random & new; n_2"
    assert rows[0]["judged"] == "2 of 3 queries" and rows[0]["collection"] == "photos"
    assert Comparison([]).to_csv().startswith("pipeline,mean_ap,judged")


def test_tables_are_written_whole(pair: Comparison, tmp_path: Path) -> None:
    for name in ("latex", "csv", "markdown"):
        path = tmp_path / name
        text = getattr(pair, f"to_{name}")(path)
        assert path.read_text(encoding="utf-8") == text == getattr(pair, f"to_{name}")(str(path))
    assert {path.name for path in tmp_path.iterdir()} == {"latex", "csv", "markdown"}
    with pytest.raises(WorkbenchError, match="folder"):
        pair.to_csv(tmp_path)
    with pytest.raises(WorkbenchError, match=r"table .* cannot be written"):
        pair.to_csv(tmp_path / "no" / "such.csv")
