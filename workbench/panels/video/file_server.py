"""Serve the video files of a collection to the browser of the same machine, in ranges of bytes.

A page plays a file by its address and seeks in it by ranges (RFC 9110, section 14), so nothing is copied. The
server listens on 127.0.0.1 only, at a port that the system chooses; each address contains a random token, and
names a video of the collection, never a path.
"""

from __future__ import annotations

import hmac
import mimetypes
import os
import re
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote, urlsplit
from weakref import WeakKeyDictionary, finalize, ref

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

Resolve = Callable[[str], Path | None]  # the file of a video's name; None for any other name
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_BLOCK = 1 << 18  # bytes read at once
_TIMEOUT = 60.0  # seconds in which a browser takes no bytes, such as in a pause, until the connection ends
_TYPES = {".mkv": "video/webm", ".m4v": "video/mp4", ".mov": "video/mp4"}  # what browsers play them as


class FileServer:
    """An HTTP server in a thread. ``resolve`` returns the file of a name, or None if it is not served."""

    def __init__(self, resolve: Resolve) -> None:
        self._token = secrets.token_urlsafe(32)
        handler = type("Handler", (_Handler,), {"token": self._token, "resolve": staticmethod(resolve)})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="video-files", daemon=True
        ).start()

    def address(self, name: str) -> str:
        """The address at which the file of that name is served while the process runs."""
        quoted = quote(name, safe="", errors="surrogateescape")
        return f"http://127.0.0.1:{self._server.server_port}/{self._token}/{quoted}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


_servers: WeakKeyDictionary[Bench, FileServer] = WeakKeyDictionary()
_lock = threading.Lock()


def served_videos(bench: Bench) -> FileServer:
    """The server of the videos of a bench's collection; it is started when first asked for."""
    with _lock:
        if bench not in _servers:
            weak = ref(bench)

            def resolve(name: str) -> Path | None:
                bench = weak()
                known = bench is not None and name in bench.collection.videos
                return bench.collection.path(name) if bench is not None and known else None

            _servers[bench] = FileServer(resolve)
            # At exit the threads end by themselves.
            finalize(bench, _servers[bench].close).atexit = False
        return _servers[bench]


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD with a file, or with one range of it."""

    token = ""
    resolve: Resolve
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "workbench", ""
    timeout = _TIMEOUT

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing: the output would appear in the notebook."""

    def _answer(self, body: bool) -> None:
        path = self._file()
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        try:
            with path.open("rb") as file:
                self._send(file, path, body)
        except (ConnectionError, TimeoutError):  # the page was closed, or seeks elsewhere
            self.close_connection = True
        except OSError:  # the file has vanished, or cannot be read
            self._refuse(HTTPStatus.NOT_FOUND)

    def _file(self) -> Path | None:
        """The file of the address. Another host name than the server's own is that of another page."""
        host, port = self.headers.get("Host", ""), self.connection.getsockname()[1]
        _, token, name = [*urlsplit(self.path).path.split("/", 2), "", ""][:3]
        if host not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            return None
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return None
        return type(self).resolve(unquote(name, errors="surrogateescape"))

    def _send(self, file: BinaryIO, path: Path, body: bool) -> None:
        status = os.fstat(file.fileno())
        size, tag = status.st_size, f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        # A range of a file that has changed meanwhile would not fit to the bytes that the page has.
        wanted = self.headers.get("Range", "") if self.headers.get("If-Range", tag) == tag else ""
        interval = byte_range(wanted, size)
        if interval is None:
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
            return
        start, stop = interval
        whole = not _RANGE.fullmatch(wanted.strip())
        self.send_response(HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT)
        if not whole:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Content-Type", _content_type(path))
        self.send_header("ETag", tag)
        self._common()
        self.end_headers()
        if not body:
            return
        file.seek(start)
        left = stop - start
        while left > 0:
            block = file.read(min(_BLOCK, left))
            if not block:  # the file was cut short meanwhile
                self.close_connection = True
                return
            self.wfile.write(block)
            left -= len(block)

    def _refuse(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self._common()
        self.end_headers()

    def _common(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "cross-origin")  # the page has another port


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """The bytes [start, stop) of a header ``Range``; None if the file has none of them.

    Of anything but one range of bytes the whole file is sent, which RFC 9110 (section 14.2) permits.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
    return (start, stop) if start < stop else None


def _content_type(path: Path) -> str:
    suffix = path.suffix.lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(f"file{suffix}")[0] or "application/octet-stream"
