"""The errors of the libraries that read a file whose content is damaged or forged."""

from __future__ import annotations

from safetensors import SafetensorError

# RuntimeError includes RecursionError, of JSON that is nested too deep.
DAMAGE = (
    *(OSError, SafetensorError, KeyError, IndexError, TypeError, ValueError, AttributeError),
    *(RuntimeError, OverflowError, MemoryError),
)
