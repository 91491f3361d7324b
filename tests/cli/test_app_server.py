"""Requests to ``workbench app``: the token, the host name, forms of other sites, the number of kernels."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.cli.app import HOST, free_port

MOST = 2
# Serves a page of one cell that takes a moment, so that its kernels need no network; all else is as in use.
SERVER = f"""
import sys
from workbench.cli import app, app_server
app_server.MOST_KERNELS = {MOST}
plain = app.notebook
def notebook(*arguments):
    document = plain(*arguments)
    document["cells"][0]["source"] = "import time; time.sleep(0.5); print('a page')"
    return document
app.notebook = notebook
app.serve("posters", "none", {{}}, int(sys.argv[1]), browser=False)
"""


class App:
    """A running server and its address."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        found = re.search(rf"http://{re.escape(HOST)}:{port}/\?token=(\w+) ", self.process.stdout.readline())
        assert found is not None
        self.token = found[1]
        for _ in range(300):
            try:
                self.request("GET", "/voila/static/nothing")
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server does not answer")

    def request(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPResponse, str]:
        """The status, the response and the text of a request."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            return response.status, response, response.read().decode(errors="replace")
        finally:
            connection.close()

    def kernels(self) -> int:
        """The number of child processes of the server that are kernels."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        commands = (Path(f"/proc/{child}/cmdline").read_bytes() for child in children)
        return sum(b"ipykernel" in command for command in commands)


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    app = App(free_port(None))
    yield app
    app.process.send_signal(signal.SIGINT)
    assert app.process.wait(60) == 0


PATHS = ["/", "/?token=wrong", "/voila/files/workbench.ipynb", f"/api/kernels/{'0' * 8}-0-0-0-{'0' * 8}"]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_served_without_the_token(app: App, path: str) -> None:
    status, response, text = app.request("GET", path)
    assert status in (302, 403)
    assert status == 403 or str(response.getheader("Location")).startswith("/login")
    assert "a page" not in text and app.kernels() == 0


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8866", "127.0.0.1.evil.example", "8.8.8.8"])
def test_another_host_name_is_refused_with_and_without_the_token(app: App, host: str) -> None:
    token = f"token {app.token}"
    for path in ("/", "/login", *PATHS[2:], "/voila/static/voila.js", "/voila/api/themes/x"):
        assert app.request("GET", path, Host=host)[0] == 403
        assert app.request("GET", path, Host=host, Authorization=token)[0] == 403
    channels = f"{PATHS[-1]}/channels"
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    status, *_ = app.request(
        "GET",
        channels,
        Host=host,
        Authorization=token,
        Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==",
        **upgrade,
    )
    assert status == 403
    assert app.kernels() == 0


def test_a_form_of_another_site_is_refused_and_the_page_ends_its_kernel(app: App) -> None:
    """With the cookies that the page sets, a POST needs the XSRF token, which only the page can read."""
    status, response, text = app.request("GET", f"/?token={app.token}")
    assert status == 200 and "a page" in text
    cookies = [cookie.split(";")[0] for cookie in response.headers.get_all("Set-Cookie", [])]
    names = dict(cookie.split("=", 1) for cookie in cookies)
    (kernel,) = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)) or {""}
    assert app.kernels() == 1
    cookie, shutdown = "; ".join(cookies), f"/voila/api/shutdown/{kernel}"
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert app.request("POST", shutdown, "", Cookie=cookie, **form)[0] == 403
    assert app.request("POST", shutdown, "_xsrf=", Cookie=cookie, **form)[0] == 403
    assert app.request("POST", shutdown, "_xsrf=guess", Cookie=cookie, **form)[0] == 403
    assert app.request("DELETE", f"/api/kernels/{kernel}", Cookie=cookie)[0] == 403
    assert app.kernels() == 1
    assert app.request("POST", shutdown, f"_xsrf={names['_xsrf']}", Cookie=cookie, **form)[0] == 204
    for _ in range(100):
        if not app.kernels():
            break
        time.sleep(0.05)
    assert app.kernels() == 0


def test_many_visits_start_at_most_so_many_kernels(app: App) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: app.request("GET", f"/?token={app.token}"), range(6)))
    statuses = [status for status, *_ in answers]
    assert statuses.count(200) == MOST and statuses.count(503) == 6 - MOST
    assert app.kernels() == MOST
    refused = next(text for status, _, text in answers if status == 503)
    assert f"{MOST} pages of the workbench are open" in refused and "Traceback" not in refused
