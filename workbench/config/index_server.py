"""The address of an index server, whose secrets are never shown."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from workbench.config.errors import WorkbenchError

TOKEN = "WORKBENCH_INDEX_TOKEN"  # environment variable: a token, or USER:PASSWORD
PORT = 19530
_KIND = "milvus:"
_FILES = {"ca": "ca_pem_path", "cert": "client_pem_path", "key": "client_key_path", "name": "server_name"}
_FORM = (
    "milvus:http://HOST:19530, or milvus:https://TOKEN@HOST:19530/DATABASE?ca=FILE (with &cert=FILE&key=FILE "
    "for a client's certificate, &name=NAME for the server's name in its own)"
)


@dataclass(frozen=True)
class IndexServer:
    """The address of a Milvus server: ``uri``, ``database`` and, hidden from ``str`` and ``repr``, the
    ``token`` and the files of ``tls`` by the names that its client gives them."""

    uri: str
    database: str = ""
    token: str = field(default="", repr=False)
    tls: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, address: str) -> IndexServer:
        """Read ``milvus:http://HOST:PORT/DATABASE``; the token may also be in WORKBENCH_INDEX_TOKEN.

        Raises WorkbenchError, which does not repeat the address: it may hold a password.
        """
        try:
            parts = urlsplit(address.removeprefix(_KIND).strip())
            host, port = parts.hostname, parts.port or PORT
        except ValueError:
            host, port = None, 0
        if not address.startswith(_KIND) or not host or parts.scheme not in ("http", "https"):
            raise WorkbenchError(f"the address of the index server is not of the form {_FORM}")
        options = parse_qs(parts.query, keep_blank_values=True)
        unknown = sorted(options.keys() - _FILES.keys())
        if unknown or any(len(values) > 1 for values in options.values()):
            raise WorkbenchError(
                f"the address of the index server has an option that is not known, or one twice; it is "
                f"of the form {_FORM}"
            )
        if options and parts.scheme == "http":
            raise WorkbenchError("the index server's certificates need an address that begins with https://")
        client = options.keys() & {"cert", "key"}
        if client and not options.keys() >= {"ca", "cert", "key"}:
            raise WorkbenchError("a client's certificate of the index server needs all of ca, cert and key")
        named = host if ":" not in host else f"[{host}]"
        secret = unquote(parts.netloc.rpartition("@")[0])
        return cls(
            f"{parts.scheme}://{named}:{port}",
            unquote(parts.path.strip("/")),
            secret or os.environ.get(TOKEN, ""),
            tuple(
                # The client takes the authority's certificate by another name where it has one of its own.
                ("server_pem_path" if name == "ca" and not client else _FILES[name], values[0])
                for name, values in sorted(options.items())
            ),
        )

    def __str__(self) -> str:
        return f"{_KIND}{self.uri}" + f"/{self.database}" * bool(self.database)
