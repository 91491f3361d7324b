"""The server of the page: Voila with a token, for the names of this machine only, and few kernels.

Without the check of the host a page of another site could reach the widgets through a name that it makes
resolve to this machine (DNS rebinding); without the XSRF token it could send forms to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import webbrowser
from pathlib import Path
from typing import Any

from jupyter_server.base.call_context import CallContext
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError, RequestHandler, authenticated
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

MOST_KERNELS = 4  # each holds a network and a collection
LOADING_SECONDS = 60  # after which a page that has not connected to its kernel is given up
HOSTS = ("localhost", "127.0.0.1")


class PageHandler(TornadoVoilaHandler):
    """The page; it sets the XSRF cookie, with which a page that is closed ends its kernel."""

    @authenticated
    async def get(self, path: str | None = None) -> None:
        assert self.xsrf_token
        await super().get(path)


class PageKernels(AsyncMappingKernelManager):
    """At most MOST_KERNELS kernels; those of pages that were left while they loaded are ended first."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pages: dict[str, tuple[RequestHandler | None, float]] = {}  # with the time of the start
        self._starting = asyncio.Lock()

    async def start_kernel(self, **options: Any) -> str:  # type: ignore[override]
        """Start a kernel for the current request. Raises HTTPError 503 if all kernels are in use."""
        async with self._starting:
            for name in [name for name in self.list_kernel_ids() if self._abandoned(name)]:
                await self.shutdown_kernel(name, now=True)
            if len(self.list_kernel_ids()) >= MOST_KERNELS:
                limit = f"{MOST_KERNELS} pages of the workbench are open: close one, and reload in a minute"
                raise HTTPError(503, reason=limit)
            name = str(await super().start_kernel(**options))
            self._pages[name] = CallContext.get(CallContext.JUPYTER_HANDLER), time.monotonic()
            return name

    def _abandoned(self, name: str) -> bool:
        """Whether the page of a kernel is gone: it was left while it loaded, or has not connected in time."""
        if self._kernel_connections.get(name, 0):
            return False
        handler, started = self._pages.get(name, (None, 0.0))
        if handler is None or time.monotonic() - started > LOADING_SECONDS:
            return True
        stream = getattr(handler.request.connection, "stream", None)
        return not handler._finished and (stream is None or stream.closed())


class _LocalHost(RequestHandler):
    """Refuse requests to another host name, as Jupyter's own handlers do."""

    def prepare(self) -> Any:
        if self.request.host_name not in HOSTS:
            raise HTTPError(403)
        return super().prepare()


class Server(Voila):
    """Voila for one notebook. The page that opens the browser is written beside it, in a private folder."""

    def init_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = super().init_settings()
        return {**settings, "allow_remote_access": False, "local_hostnames": [*HOSTS]}

    def init_handlers(self) -> list[Any]:
        """Voila's handlers: all check the host, and that of the page sets the XSRF cookie."""
        handlers = []
        for pattern, handler, *options in super().init_handlers():
            if handler is TornadoVoilaHandler:
                handler = PageHandler
            elif not issubclass(handler, JupyterHandler):
                handler = type(handler.__name__, (_LocalHost, handler), {})
            handlers.append((pattern, handler, *options))
        return handlers

    def launch_browser(self) -> None:
        """Open the page with its token, which is not written into the arguments of a process."""
        with contextlib.suppress(webbrowser.Error):  # no browser: the address is printed
            browser = webbrowser.get(self.browser or None)
            template = self.app.settings["voila_jinja2_env"].get_template("browser-open.html")
            address = f"{self.connection_url}?token={self.token}"
            file = Path(self.notebook_path).with_name("open.html")
            file.write_text(template.render(open_url=address, base_url=self.connection_url), encoding="utf-8")
            threading.Thread(target=browser.open, args=(file.as_uri(),), daemon=True).start()
