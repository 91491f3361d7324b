"""Options are checked when they are made: each wrong value is named with what would be valid."""

from typing import Any

import pytest

from workbench.config.errors import WorkbenchError
from workbench.config.options import Options


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("size", 0, "size 0 is not a whole number from 1 to 16,384"),
        ("size", True, "size True is not a whole number"),
        ("seed", -1, "seed -1 is not a whole number from 0 to 2,000,000,000"),
        ("per_shot", 1.5, "per_shot 1.5 is not a whole number from 0 to 1,000"),
        ("resize", "square", "resize 'square' is not known; valid: exact, cells"),
        ("runtime", "onnx", "runtime 'onnx' is not known; valid: auto, torch, openvino"),
        ("contours", "sobel", "contours 'sobel' is not known; valid: hed, canny"),
        ("shots", None, "shots None is not known; valid: content, transnetv2"),
        ("fps", 0, "fps 0 is not a number of frames a second from 0.001 to 1,000"),
        ("fps", float("nan"), "fps nan is not a number of frames a second"),
        ("maps", "lru:20", "maps 'lru:20' is not known; valid: all, none, or a limit such as lru:20GB"),
        ("maps", 20, "maps 20 is not known"),
        ("scheduler", "HOST:8786", "scheduler 'HOST:8786' is not known; valid: local, or the address"),
        ("index_server", "ftp://host", "the address of the index server is not of the form"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_valid(option: str, value: Any, message: str) -> None:
    with pytest.raises(WorkbenchError) as error:
        Options(**{option: value})
    assert str(error.value).startswith(message)


def test_workers_of_a_scheduler_need_stored_maps() -> None:
    with pytest.raises(WorkbenchError, match="maps cannot be none; choose all, or a limit"):
        Options(scheduler="tcp://host:8786", maps="none")
    assert Options(scheduler="tcp://host:8786", maps="lru:1.5GB").map_bytes == 1_500_000_000
