"""Optional packages: found without importing them, and named with the command that installs them."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from workbench.common.packages import (
    import_extra,
    install_command,
    installed,
    package_folder,
    require_extra,
)
from workbench.config.errors import WorkbenchError


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of imports."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_package_is_found_without_importing_it(packages: Path) -> None:
    (packages / "present_package").mkdir()
    (packages / "present_package" / "__init__.py").write_text("raise RuntimeError('imported')")
    assert installed("present_package") and package_folder("present_package") == packages / "present_package"
    require_extra("clip", "a test", "present_package")
    assert not installed("absent_package") and package_folder("absent_package") is None


def test_a_module_without_a_specification_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("without_specification")
    monkeypatch.setitem(sys.modules, "without_specification", module)
    assert not installed("without_specification") and package_folder("without_specification") is None


def test_the_error_names_what_is_missing_and_the_command() -> None:
    with pytest.raises(WorkbenchError) as one:
        require_extra("clip", "backbone 'x'", "json", "absent_package", instead="choose another")
    assert str(one.value) == (
        "backbone 'x': the package absent_package is not installed; "
        'run pip install "retrieval-workbench[clip]", or choose another'
    )
    with pytest.raises(WorkbenchError, match="the packages absent_a and absent_b are not installed; run"):
        require_extra("clip", "backbone 'x'", "absent_a", "absent_b")


def test_a_broken_package_is_reported_with_its_reason(packages: Path) -> None:
    (packages / "broken_package.py").write_text("import absent_package")
    with pytest.raises(WorkbenchError, match=r"cannot be imported \(No module named 'absent_package'\)"):
        import_extra("clip", "backbone 'x'", "broken_package")
    with pytest.raises(WorkbenchError, match="the package absent_package is not installed"):
        import_extra("clip", "backbone 'x'", "absent_package")
    assert import_extra("clip", "backbone 'x'", "json") is sys.modules["json"]


def test_the_extras_that_messages_name_exist() -> None:
    root = Path(__file__).parents[2]
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    sources = "".join(path.read_text("utf-8") for path in (root / "workbench").rglob("*.py"))
    named = set(re.findall(r"(?:require_extra|import_extra|install_command)\(['\"](\w+)", sources))
    assert "clip" in named and named <= extras.keys()
    assert install_command("clip") == 'pip install "retrieval-workbench[clip]"'
