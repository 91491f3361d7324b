"""The progress bar of a notebook, in a real kernel."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from workbench.common.notebook_progress import notebook_progress

CELLS = """
import threading, time
from workbench.common.notebook_progress import notebook_progress as progress
def work(seconds, task="pooling <b>"):
    for step in range(8):
        progress(task, step, 8)
        time.sleep(seconds / 8)
"""


def messages(cell: str) -> list[tuple[str, str, bool]]:
    """The displays that a cell sends, as (HTML, plain text, whether it replaces one)."""
    cells = [nbformat.v4.new_code_cell(CELLS), nbformat.v4.new_code_cell(cell)]
    client = NotebookClient(nbformat.v4.new_notebook(cells=cells), kernel_name="python3")
    sent: list[tuple[str, str, bool]] = []
    process = client.process_message

    def keep(message: Any, *others: Any) -> Any:
        if message["msg_type"] in ("display_data", "update_display_data"):
            data = message["content"]["data"]
            sent.append((data["text/html"], data["text/plain"], message["msg_type"].startswith("update")))
        return process(message, *others)

    client.process_message = keep  # type: ignore[assignment,method-assign]
    client.execute()
    return sent


def test_bar_appears_after_a_second_and_is_removed_at_the_end() -> None:
    first, *others, last = messages("work(2.4)\nwork(0.1, 'searching')")
    assert "pooling &lt;b&gt;: " in first[0] and "<progress value=" in first[0] and not first[2]
    assert " of 8 · " in first[1] and first[1].endswith("left")
    assert others and all(update for *_, update in others)
    assert last == ("", "", True)


def test_quick_cells_and_other_threads_show_nothing() -> None:
    assert (
        messages(
            "work(0.4)\nthread = threading.Thread(target=work, args=(2,))\nthread.start()\nthread.join()"
        )
        == []
    )


def test_scripts_show_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    notebook_progress("pooling", 1, 2)
    assert capsys.readouterr() == ("", "")
