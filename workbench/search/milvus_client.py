"""The connection to a Milvus server: one client for each address, and its errors in one sentence."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from workbench.common.packages import import_extra, require_extra
from workbench.config.errors import WorkbenchError
from workbench.config.index_server import TOKEN, IndexServer

START = "pip install milvus, then milvus-server"  # a server on this machine, for trials
SECONDS = 10  # to wait for a server to answer at first
_clients: dict[IndexServer, Any] = {}
_lock = threading.Lock()
_GONE = (
    "fail connecting",
    "unavailable",
    "deadline",
    "timeout",
    "timed out",
    "retry run out",
    "closed channel",
)
_REFUSED = ("unauth", "authorization", "auth check", "password", "token", "permission", "privilege")
_UNVERIFIED = ("ssl", "certificate", "verification check", "handshake", "tsi_")
# Without these a server that was started again is not called for up to two minutes.
_RECONNECTING = {
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.min_reconnect_backoff_ms": 1000,
    "grpc.max_reconnect_backoff_ms": 1000,
}


def check_installed() -> None:
    """Raise WorkbenchError with the install command if the client is missing; it is not imported."""
    require_extra("milvus", "index servers", "grpc", "pymilvus")


def client(server: IndexServer) -> Any:
    """The ``pymilvus.MilvusClient`` of a server, connected at first use.

    Raises WorkbenchError if the client is not installed, or if no server answers there within 10 seconds.
    """
    with _lock:
        if server not in _clients:
            _clients[server] = _connected(server)
        return _clients[server]


def _connected(server: IndexServer) -> Any:
    pymilvus = import_extra("milvus", "index servers", "pymilvus")
    for name in [*logging.root.manager.loggerDict]:  # which repeat what is raised
        if name.startswith("pymilvus"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    for option, file in server.tls:
        if option.endswith("_path") and not os.access(file, os.R_OK):
            raise WorkbenchError(
                f"the certificate or key {file} for the index server {server} is not readable"
            )
    options: dict[str, Any] = {
        "uri": server.uri,
        "token": server.token,
        "timeout": SECONDS,
        "grpc_options": _RECONNECTING,
        **dict(server.tls),
    }
    if server.database:
        options["db_name"] = server.database
    if server.uri.startswith("https:"):
        options["secure"] = True

    def connect() -> Any:
        connected = pymilvus.MilvusClient(**options)
        connected.list_collections(timeout=SECONDS)  # needs the rights that a search needs
        return connected

    thread = ThreadPoolExecutor(1)  # a client that waits for an encrypted connection ignores its timeout
    try:
        with answering(server, "opening it"):
            return thread.submit(connect).result(2 * SECONDS)
    finally:
        thread.shutdown(wait=False)


@contextmanager
def answering(server: IndexServer, what: str) -> Iterator[None]:
    """Raise what the client raises as WorkbenchError, which says what was being done and how to go on."""
    check_installed()
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except WorkbenchError:
        raise
    except (MilvusException, grpc.RpcError, OSError, TimeoutError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, grpc.RpcError) else error
        code = cause.code() if hasattr(cause, "code") and callable(cause.code) else None
        reason = _reason(cause, server)
        words = f"{error} {cause} {reason}".lower()
        if server.uri.startswith("https:") and any(sign in words for sign in _UNVERIFIED):
            raise WorkbenchError(
                f"the certificate of the index server {server} is not accepted, or that of this client by it "
                "(details are in the log of the server): give ca=FILE in its address, name=NAME if it is for "
                "another name than that of the host, cert=FILE and key=FILE if the server wants them"
            ) from None
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED) or any(
            word in reason.lower() for word in _REFUSED
        ):
            raise WorkbenchError(
                f"the index server {server} refused ({reason}): give its token in {TOKEN}, or in the address "
                "as TOKEN@HOST"
            ) from None
        if (
            code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
            or isinstance(error, TimeoutError | OSError)
            or any(sign in words for sign in _GONE)
        ):
            raise WorkbenchError(
                f"the index server {server} does not answer ({what}): start it and run again, which goes on "
                f"where it stopped; to try one on this machine: {START}"
            ) from None
        raise WorkbenchError(f"the index server {server} reports an error ({what}): {reason}") from None


def _reason(error: BaseException, server: IndexServer) -> str:
    """The first line of an error, without the token."""
    text = str(getattr(error, "message", "") or getattr(error, "details", lambda: "")() or error)
    first = text.strip().split("\n")[0][:200] or type(error).__name__
    for secret in filter(None, (server.token, *server.token.split(":"))):
        if len(secret) > 3:
            first = first.replace(secret, "…")
    return first


def version(server: IndexServer) -> str:
    """The version of a server, as ``2.3.5``."""
    with answering(server, "asking its version"):
        return str(client(server).get_server_version(timeout=SECONDS)).removeprefix("v")
