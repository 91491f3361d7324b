"""Record the faults of a page: console errors, requests to other hosts, dialogs."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Dialog, Page, Request

# ipywidgets 8 hands a message of Lumino to a view that was removed before the message came
# (JupyterLuminoWidget.processMessage after dispose): a race of its own, where cells are replaced.
REMOVED_VIEW = "Cannot read properties of null (reading 'processLuminoMessage')"
MANAGER = "@jupyter-widgets/jupyterlab-manager/"


@dataclass
class Watch:
    """The faults of a page since the last check."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)  # addresses of other hosts that were requested
    dialogs: list[str] = field(default_factory=list)

    @classmethod
    def on(cls, page: Page) -> Watch:
        """Watch a page from now on."""
        watch = cls()
        page.on("console", watch.console)
        page.on("pageerror", lambda error: watch.error(str(error)))
        page.on("request", watch.request)
        page.on("dialog", watch.dialog)
        return watch

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.error(f"{message.text} ({message.location.get('url', '')})")

    def error(self, text: str) -> None:
        first, _, trace = text.partition("\n")
        if not (REMOVED_VIEW in first and MANAGER in trace.partition("\n")[0]):
            self.errors.append(text)

    def request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname != "127.0.0.1":
            self.outside.append(request.url)

    def dialog(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":  # the question of a notebook that is not saved
            self.dialogs.append(dialog.message)
        dialog.accept()

    def check(self) -> None:
        """Assert that there was no fault since the last check."""
        faults = self.errors[:], self.outside[:], self.dialogs[:]
        for record in (self.errors, self.outside, self.dialogs):
            record.clear()
        assert faults == ([], [], []), faults
