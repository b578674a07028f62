"""The pages in a real browser: without a mouse, without scripts, narrow and wide, light and dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from kg.config import Settings
from kg.publication import publish

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATHS = [
    "/",
    "/queries",
    "/queries/meetings/chairs",
    "/queries/meetings/chairs?actor=ana+teler",
    "/sparql",
    "/sparql?query=SELECT+%3Fs+WHERE+%7B+%3Fs+a+%3Fc+%7D+LIMIT+5",
    "/ontology",
    "/documents",
    "/search?q=gull",
    "/page/gull-rock-meeting",
    "/page/claim/demo/0002",
    "/page/passage/demo/0002",
    "/page/document/demo",
    "/page/document/demo/meetings",
    "/page/nothing",
]
Serve = Callable[[Settings], AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium; without it skip, but on CI fail."""
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not there: apt-get install chromium"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[str]:
    """Serve the small project, and return where."""
    root = tmp_path_factory.mktemp("browser") / "project"
    shutil.copytree(Path(__file__).parents[1] / "cases" / "project", root)
    settings = Settings(root=root, documents=Path("documents"), quick_workers=1, slow_workers=1)
    publish(settings, progress=lambda _: None)
    with serve(settings) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Open a page of the service; whatever the browser complains of fails the test."""
    context = browser.new_context(base_url=address)
    complaints: list[str] = []
    opened = context.new_page()
    opened.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
    opened.on("pageerror", lambda one: complaints.append(str(one)))
    yield opened
    context.close()
    assert [one for one in complaints if "the server responded with" not in one] == []


def contexts(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """Open the four looks: wide and narrow, light and dark."""
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            yield browser.new_context(
                base_url=address,
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
            )


def test_no_page_is_wider_than_the_screen(browser: Browser, address: str) -> None:
    """Nothing but tables scrolls sideways, in any look."""
    too_wide = []
    for context in contexts(browser, address):
        shown = context.new_page()
        for path in PATHS:
            shown.goto(path)
            width = shown.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            if width > 0:
                too_wide.append((path, width))
        context.close()
    assert too_wide == []


def test_text_stands_out_in_both_schemes(browser: Browser, address: str) -> None:
    """
    Contrast of body text, links and quiet text is at least 4.5 to 1.

    Source: WCAG 2.2, success criterion 1.4.3.
    """
    script = """() => {
      const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
        .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (!/, 0\\)$|transparent/.test(c)) return c; } return 'rgb(255,255,255)'; };
      return [...document.querySelectorAll('p, a, dt, dd, h1, h2, h3, button, .chip, .kind, td, th, code')]
        .filter((e) => e.textContent.trim() && e.checkVisibility() && !e.classList.contains('skip'))
        .map((e) => { const a = light(getComputedStyle(e).color), b = light(ground(e));
          return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 80)]; })
        .filter(([ratio]) => ratio < 4.5); }"""
    faint: list[tuple[str, float, str]] = []
    for context in contexts(browser, address):
        shown = context.new_page()
        for path in PATHS:
            shown.goto(path)
            faint.extend((path, *one) for one in shown.evaluate(script))
        context.close()
    assert faint == []


def test_a_question_is_asked_by_keyboard_alone(page: Page) -> None:
    """The skip link comes first; the form is filled and sent without a mouse."""
    page.goto("/queries/meetings/chairs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_label("Actor").focus()
    page.keyboard.type("Anna")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/queries/meetings/chairs?actor=*")
    assert page.get_by_role("link", name="Gull Rock meeting").count() == 1
    assert "Anna Teller" in page.locator("h1").inner_text()


def test_a_statement_opens_its_receipt(page: Page) -> None:
    """From the thing to the claim to the passage."""
    page.goto("/page/gull-rock-meeting")
    page.locator("details.receipt summary").first.click()
    page.get_by_role("link", name="Claim demo/0002").click()
    page.get_by_role("link", name="passage", exact=True).click()
    assert page.url.endswith("/page/passage/demo/0002")
    assert "Anna Teller chaired" in page.locator("h1").inner_text()


def test_search_leads_to_the_thing(page: Page) -> None:
    """From the home page, with the name misspelt."""
    page.goto("/")
    page.get_by_role("searchbox").fill("gul rock")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Gull Rock meeting").click()
    assert page.url.endswith("/page/gull-rock-meeting")


def test_the_editor_runs_with_a_key_and_shows_mistakes(page: Page) -> None:
    """Ctrl + Enter runs the query; a mistake is told with its line."""
    page.goto("/sparql")
    page.get_by_label("Query").fill(
        "SELECT ?label WHERE {\n  ?s <http://www.w3.org/2000/01/rdf-schema#label> ?label\n}"
    )
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/sparql?query=*")
    assert page.get_by_role("cell", name="Gull Rock meeting").count() == 1
    page.get_by_label("Query").fill("SELECT ?s\nWHERE { ?s ?p }")
    page.get_by_role("button", name="Run").click()
    assert "line 2" in page.get_by_role("alert").inner_text().lower()


def test_everything_works_without_scripts(browser: Browser, address: str) -> None:
    """Forms are plain forms."""
    context = browser.new_context(base_url=address, java_script_enabled=False)
    shown = context.new_page()
    shown.goto("/sparql")
    shown.get_by_label("Query").fill("ASK { ?s ?p ?o }")
    shown.get_by_role("button", name="Run").click()
    assert "true" in shown.locator("pre.answer").inner_text()
    shown.goto("/queries/meetings/chairs")
    shown.get_by_role("button", name="Ask").click()
    assert shown.get_by_role("table").count() == 1
    context.close()
