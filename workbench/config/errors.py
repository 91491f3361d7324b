"""The error for wrong input, and the version."""

from __future__ import annotations

from workbench.config.printable import printable

VERSION = "0.1.0"


class WorkbenchError(ValueError):
    """Wrong input: the message names it, says what is wrong and what to do, on one line."""

    def __str__(self) -> str:
        return printable(super().__str__())


class TemporarilyUnreadable(WorkbenchError):
    """A file could not be read for a reason outside the file, so a later try may succeed."""


def torch_mismatch(error: Exception) -> str:
    """The remedy if torch, torchvision or timm cannot be imported."""
    reason = str(error).split("\n")[0]
    if "nms" in reason or "torchvision" in reason:
        return (
            f"torchvision does not fit this torch ({reason}): a CPU-only torch needs the torchvision "
            "of the same build; run pip uninstall -y torch torchvision, then pip install torch torchvision "
            "together, from one index"
        )
    return f"{reason}; install the package again in a fresh environment"
