"""Garbage collections are off while torch is imported, and as before afterwards."""

import gc
import sys
from collections.abc import Iterator

import pytest

from workbench.common.lazy import torch_exempt


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("without_torch")
def test_collections_are_off_during_the_import_only_even_if_it_fails() -> None:
    with pytest.raises(ImportError), torch_exempt():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled() and gc.get_freeze_count()


@pytest.mark.usefixtures("without_torch")
def test_collections_that_a_user_switched_off_stay_off() -> None:
    gc.disable()
    with torch_exempt():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_what_exists_when_torch_is_loaded_is_still_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", pytest)
    frozen = gc.get_freeze_count()
    with torch_exempt():
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen
