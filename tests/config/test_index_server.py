"""Addresses of index servers, and that they are shown without their secrets."""

from __future__ import annotations

import pytest

from workbench.config.errors import WorkbenchError
from workbench.config.index_server import TOKEN, IndexServer
from workbench.config.options import Options


def test_address_with_all_its_parts() -> None:
    server = IndexServer.parse("milvus:https://root:pa%2Fss@host:1234/photos?ca=/c.pem&name=milvus")
    assert (server.uri, server.database, server.token) == ("https://host:1234", "photos", "root:pa/ss")
    assert dict(server.tls) == {"server_pem_path": "/c.pem", "server_name": "milvus"}
    mutual = IndexServer.parse("milvus:https://host?ca=/ca.pem&cert=/c.pem&key=/k.pem")
    assert dict(mutual.tls) == {
        "ca_pem_path": "/ca.pem",
        "client_pem_path": "/c.pem",
        "client_key_path": "/k.pem",
    }


def test_port_and_token_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "abcdef")
    server = IndexServer.parse("milvus:http://[::1]")
    assert (server.uri, server.token) == ("http://[::1]:19530", "abcdef")


def test_secrets_are_not_shown() -> None:
    address = "milvus:https://root:swordfish@host?ca=/a&cert=/b&key=/private.pem"
    for shown in (
        repr(IndexServer.parse(address)),
        str(IndexServer.parse(address)),
        repr(Options(index_server=address)),
    ):
        assert "swordfish" not in shown and "private" not in shown


@pytest.mark.parametrize(
    "address",
    [
        "http://swordfish@host",
        "milvus:",
        "milvus:swordfish@host:19530",
        "milvus:ftp://swordfish@host",
        "milvus:http://swordfish@host:99999999",
        "milvus:http://swordfish@host:port",
        "milvus:https://swordfish@host?unknown=1",
        "milvus:https://swordfish@host?ca=a&ca=b",
        "milvus:http://swordfish@host?ca=a",
        "milvus:https://swordfish@host?ca=a&key=b",
        "milvus:http://[swordfish",
    ],
)
def test_other_addresses_are_refused_without_repeating_them(address: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        Options(index_server=address)
    assert "swordfish" not in str(refused.value)
