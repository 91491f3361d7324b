"""The exported page, opened from a file and without a network, at the size of a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, expect

from tests.browser.axe import serious
from workbench.bench.bench import Bench
from workbench.export.page import write_page

pytestmark = pytest.mark.browser
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_a_picture_is_encoded_and_ranked_offline(browser: Browser, bench24: Bench, tmp_path: Path) -> None:
    config = bench24.engine.config("efficientnet_lite0/max/whole/lsh:64")
    write_page(bench24.engine, config, tmp_path / "mobile.html", "int8")
    context = browser.new_context(viewport={"width": 390, "height": 844}, offline=True)
    page, requests = context.new_page(), list[Request]()
    page.on("request", lambda request: requests.append(request))
    page.goto((tmp_path / "mobile.html").as_uri())
    expect(page.get_by_role("status")).to_contain_text("Ready", timeout=30_000)
    image = bench24.collection.images[5]
    page.get_by_label("Choose a picture").set_input_files(bench24.collection.path(image))
    expect(page.get_by_role("status")).to_contain_text("24 images compared", timeout=30_000)
    results = page.get_by_role("listitem")
    expect(results).to_have_count(24)
    assert results.first.get_by_role("img").get_attribute("alt") == image
    page.get_by_role("button").nth(3).press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Images like")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not serious(page, "main")
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    page.get_by_label("Take a photo").set_input_files(text)
    expect(page.get_by_role("status")).to_contain_text("text.jpg is not a picture")
    assert all(request.url.startswith(("file:", "blob:")) for request in requests)
    context.close()
