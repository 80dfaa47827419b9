"""The report's page in a real browser: silent console, no request, choosing, sorting, filtering, phone, print.

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
    page.wait_for_selector("#slices-0 .points path.point, #parallel-0 .points path.point")
    yield page, said, asked, request.param
    page.close()


def test_it_says_nothing_on_the_console_and_asks_for_nothing(opened: tuple) -> None:
    page, said, asked, _ = opened
    page.wait_for_timeout(500)
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page.url]


def test_a_point_shows_its_network(opened: tuple) -> None:
    page, _, _, size = opened
    detail, plot = page.locator("#detail"), page.locator(".plot").first
    assert not detail.is_visible()
    plot.evaluate("element => element.scrollIntoView({block: 'center'})")
    box = plot.locator("path.point").last.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if size == "phone":
        page.touchscreen.tap(x, y)
    else:
        page.mouse.click(x, y)
    detail.locator("svg").first.wait_for(timeout=5000)
    told = detail.inner_text()
    assert "dB" in told
    assert "parameters" in told
    assert "network.safetensors" in told
    loaded = detail.locator("img").evaluate_all("all => all.map(one => one.complete && one.naturalWidth > 0)")
    assert loaded == [True] * 3, "clean, degraded, restored"
    page.keyboard.press("Escape")
    assert not detail.is_visible()


def test_the_results_sort_filter_show_all_and_scroll_by_key(opened: tuple) -> None:
    page, _, _, _ = opened
    table, rows = page.locator("#results"), page.locator("#results tbody tr:visible")
    place = table.locator("th").all_inner_texts().index("parameters")

    def column() -> list[int]:
        return [int(text) for row in rows.all() if (text := row.locator("td").nth(place).inner_text())]

    table.locator("th").nth(place).locator("button").click()
    assert column() == sorted(column(), reverse=True)
    table.locator("th").nth(place).locator("button").click()
    assert column() == sorted(column())
    whole = rows.count()
    page.fill("input.filter", "kind=searched λ1=0.1")
    assert 0 < rows.count() < whole
    assert page.locator("#results-count").inner_text() == f"{rows.count()} of {whole} rows"
    page.fill("input.filter", "")
    assert not page.locator("#results th.more").first.is_visible()
    page.check("input.columns")
    assert page.locator("#results th.more").first.is_visible()
    box = page.locator(".scroll:has(#results)")
    box.evaluate("element => { element.style.width = '15rem'; element.style.height = '8rem'; }")
    box.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(400)
    assert box.evaluate("element => element.scrollTop > 0 && element.scrollLeft > 0")


def test_what_is_chosen_in_a_table_stands_out_in_the_plots(opened: tuple) -> None:
    page, _, _, _ = opened
    lines = "document.getElementById('parallel-0').data.map(one => one.opacity)"
    page.locator("#results tbody tr[data-trial] button").first.click()
    shown = page.evaluate(lines)
    assert shown.count(1) == 1
    assert max(one for one in shown if one != 1) < 0.3
    assert page.locator("#results tr.selected").count() == 1


def test_nothing_is_wider_than_the_screen(opened: tuple) -> None:
    page, _, _, _ = opened
    blocks = "[...document.querySelectorAll('main > *, main p, main h1, .plot')]"
    wider = "e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1"
    wide = page.evaluate(f"{blocks}.filter({wider}).map(e => e.outerHTML.slice(0, 80))")
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_prints(opened: tuple, tmp_path: Path) -> None:
    page, _, _, size = opened
    if size == "desktop":
        page.pdf(path=tmp_path / "page.pdf")
        assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
        page.emulate_media(media="print")
        hidden = [one for one in page.locator("#results th").all() if not one.is_visible()]
        assert hidden == [], "the table prints whole"
        assert page.locator(".scroll:has(#results)").evaluate("one => one.scrollHeight <= one.clientHeight + 1")
        assert not page.locator(".controls").first.is_visible()
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"report-{size}.png", full_page=True)
