"""A notebook that stays open with its kernel: each test replaces its cells."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page

from tests.browser.lab import KERNEL, READY, RUN_ALL, Lab, shown_panel
from tests.browser.watch import Watch

CELLS = "() => jupyterapp.shell.currentWidget.content.widgets.length"
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
    .flatMap((cell) => cell.toJSON().outputs ?? []).filter((output) => output.output_type === 'error')"""
REPLACE = """(sources) => {
    const notebook = jupyterapp.shell.currentWidget.content.model.sharedModel;
    notebook.transact(() => {
        notebook.deleteCellRange(0, notebook.cells.length);
        notebook.insertCells(0, sources.map((source) => ({ cell_type: 'code', source })));
    });
}"""
EVALUATE = f"""async ([code, expression]) => {{
    const request = {{ code, user_expressions: {{ value: expression }} }};
    const {{ content }} = await ({KERNEL})().requestExecute(request).done;
    return content.status === 'ok' ? content.user_expressions.value : content;
}}"""
# What JupyterLab does when the setting of the same name changes.
SUBSHELLS = "(mode) => { jupyterapp.serviceManager.kernels.commsOverSubshells = mode; }"
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# ``live`` holds the addresses of pictures that were made and not yet given back.
COUNT_PICTURES = """
    window.live = new Set();
    const [make, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
    URL.createObjectURL = (blob) => { const url = make.call(URL, blob);
        if (blob.type === "image/jpeg") live.add(url); return url; };
    URL.revokeObjectURL = (url) => { live.delete(url); revoke.call(URL, url); };
"""
NAME = "shared.ipynb"


class Notebook:
    """The open notebook of all tests. After a failed test it is closed and the next test opens another."""

    def __init__(self, lab: Lab, browser: Browser, context_arguments: dict[str, Any]) -> None:
        self.lab = lab
        self.context = browser.new_context(**context_arguments)
        self.context.add_init_script(COUNT_PICTURES)
        self.page: Page = self.context.new_page()
        self.watch = Watch.on(self.page)
        lab.open(self.page, lab.write(NAME))

    def use_subshells(self, subshells: bool) -> None:
        """Deliver messages of widgets on subshells (JupyterLab's default) or on the main thread."""
        self.page.evaluate(SUBSHELLS, "perCommTarget" if subshells else "disabled")

    def run(self, *cells: str, seconds: float = 400) -> Locator:
        """Replace the cells, run them and return the panel that they show."""
        self.page.evaluate(REPLACE, list(cells))
        self.page.evaluate(RUN_ALL)
        return shown_panel(self.page, seconds)

    def show(
        self, folder: Path, cache: Path, *panels: str, options: str = "", before: str = "", **state: Any
    ) -> Locator:
        """Show panels of ``workbench.panels.layout`` on a folder, linked by a session with this state.

        ``options`` are further arguments of ``open_bench``, ``before`` is code that runs before the panels.
        """
        opening = f"bench = kernel.open_bench({str(folder)!r}, {str(cache)!r}{options})"
        arguments = [*map(repr, panels), *(f"{name}={value!r}" for name, value in state.items())]
        showing = f"kernel.show(bench, {', '.join(arguments)})"
        cells = ["from tests.browser import kernel\n" + opening, *filter(None, [before]), showing]
        return self.run(*cells)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the kernel, in which ``kernel`` is the module of that name."""
        answer = self.page.evaluate(EVALUATE, ["from tests.browser import kernel", expression])
        assert answer["status"] == "ok", answer
        return ast.literal_eval(answer["data"]["text/plain"])

    def fill(self, field: Locator, text: str) -> None:
        """Write into a field and leave it. The kernel may get the text after a click that follows."""
        field.fill(text)
        field.press("Tab")

    def settle(self) -> None:
        """Wait until the kernel has handled what the page sent, and no job runs."""
        self.page.wait_for_timeout(100)  # the page sends a hover after 40 ms
        self.evaluate("kernel.settle()")

    def click(self, option: Locator) -> str:
        """Click on an option of a list that changes with the pointer; return its label."""
        option.hover()  # which may scroll, and so move the pointer over other parts of the panel
        self.settle()
        label = option.get_attribute("aria-label") or ""
        option.click()
        return label

    def reload(self) -> None:
        """Save the notebook, load its page again and wait for its kernel."""
        self.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
        self.page.goto(f"{self.lab.url}/lab/tree/{NAME}")
        self.page.wait_for_function(READY, timeout=60_000)

    def restart(self) -> None:
        """Restart the kernel; the cells and their outputs stay."""
        self.page.evaluate(f"async () => {{ await ({KERNEL})().restart(); }}")

    def clear(self) -> bool:
        """Remove the cells, close the widgets, and assert that the test left no fault behind.

        Returns whether messages of widgets were handled on a subshell.
        """
        errors = self.page.evaluate(ERRORS)
        self.page.evaluate(FRAMES)  # views get the messages that wait for them before they are removed
        self.page.evaluate(REPLACE, [""])
        self.page.wait_for_function("live.size === 0", timeout=30_000)
        threads = self.evaluate("kernel.close()")
        self.watch.check()
        assert errors == []
        return any(name.startswith("subshell") for name in threads)

    def close(self) -> None:
        self.page.evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
        self.context.close()
