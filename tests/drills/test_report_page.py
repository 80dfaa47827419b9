"""The report's page in a real browser: silent console, no request, hover, phone and desktop, print.

    python -m pytest -m drill tests/drills/test_report_page.py

needs Chromium; CHROMIUM names it where it is not on the path.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.drill
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: set CHROMIUM to its path")
    with playwright.sync_playwright() as engine:
        yield engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(params=SIZES)
def opened(request: pytest.FixtureRequest, browser: playwright.Browser, study_storage: Path) -> Iterator[tuple]:
    """The page, and everything that its console said and that it asked for."""
    width, height = SIZES[request.param]
    page = browser.new_page(viewport={"width": width, "height": height}, has_touch=request.param == "phone")
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda one: asked.append(one.url))
    page.goto((study_storage / "studies/lambda_pareto/report/index.html").as_uri())
    page.wait_for_selector(".plot .points path.point")
    yield page, said, asked, request.param
    page.close()


def test_it_says_nothing_on_the_console_and_asks_for_nothing(opened: tuple) -> None:
    page, said, asked, _ = opened
    page.wait_for_timeout(500)
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page.url]


def test_a_point_shows_its_networks(opened: tuple) -> None:
    page, _, _, size = opened
    detail, plot = page.locator(".detail").first, page.locator(".plot").first
    assert detail.locator("svg").count() == 0
    plot.evaluate("element => element.scrollIntoView({block: 'center'})")
    box = plot.locator("path.point").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if size == "phone":
        page.touchscreen.tap(x, y)
    else:
        page.mouse.move(x, y)
    detail.locator("svg").first.wait_for(timeout=5000)
    assert "dB" in detail.inner_text()
    assert "parameters" in detail.inner_text()


def test_nothing_is_wider_than_the_screen(opened: tuple) -> None:
    page, _, _, _ = opened
    blocks = "[...document.querySelectorAll('main > *, main p, main h1, .plot')]"
    wider = "e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1"
    wide = page.evaluate(f"{blocks}.filter({wider}).map(e => e.outerHTML.slice(0, 80))")
    assert wide == []


def test_it_prints(opened: tuple, tmp_path: Path) -> None:
    page, _, _, size = opened
    if size == "desktop":
        page.pdf(path=tmp_path / "page.pdf")
        assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
        page.emulate_media(media="print")
        assert not page.locator(".detail").first.is_visible()
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"report-{size}.png", full_page=True)
