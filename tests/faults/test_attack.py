"""The attack of ``benchmarks/attack.py``, with few inputs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
COUNTS = {"stores": 6, "images": 150, "tables": 30, "sessions": 20, "indexes": 30, "weights": 30}


@pytest.fixture(scope="module")
def attack() -> Iterator[Any]:
    """The module; benchmarks are scripts, not a package."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("attack")
    sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("part", COUNTS)
def test_hostile_inputs_are_read_or_refused_with_a_sentence(attack: Any, part: str, tmp_path: Path) -> None:
    contents, read = attack.PARTS[part][3](tmp_path)
    faults = {
        number: fault
        for number in range(COUNTS[part])
        if (fault := attack.fault(read, attack.hostile_input(part, contents, number)))
    }
    assert not faults


def test_descriptors_and_headers_are_whole_after_a_kill_while_they_are_written(
    attack: Any, tmp_path: Path
) -> None:
    assert attack.kill_writes(tmp_path, 0, 3) == []


@pytest.mark.slow
def test_killed_evaluations_resume_to_the_same_numbers(attack: Any, tmp_path: Path) -> None:
    assert attack.kill_evaluations(tmp_path, 0, 2, pictures=16) == []
