"""The device of PyTorch."""

from __future__ import annotations

from workbench.config.errors import WorkbenchError


def choose_device(device: str) -> str:
    """Resolve ``auto`` to CUDA, else MPS, else the CPU. Raises WorkbenchError if it is absent."""
    import torch  # which commands without a network do not need

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0]
        raise WorkbenchError(
            f"device {device!r} cannot be used here ({reason}); valid: auto, cpu, cuda, mps"
        ) from None
    return device
