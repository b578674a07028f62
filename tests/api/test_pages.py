"""Pages show what the graph says, each statement with its receipt."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import httpx
import pytest

from kg.api.pages import iri_of
from kg.api.portraits import text_fragment
from kg.errors import NotFoundError

HTML = {"Accept": "text/html"}
PAGES = [
    "/",
    "/sparql",
    "/queries",
    "/queries/meetings/chairs",
    "/documents",
    "/ontology",
    "/search?q=gull",
    "/search",
    "/page/gull-rock-meeting",
    "/page/anna-teller",
    "/page/concept/status/stated",
    "/page/claim/demo/0002",
    "/page/passage/demo/0002",
    "/page/document/demo",
    "/page/document/demo/meetings",
    "/page/graph/entities",
]


class Links(HTMLParser):
    """Gathers what a page leads to, and what would break it."""

    def __init__(self) -> None:
        super().__init__()
        self.local: set[str] = set()
        self.assets: set[str] = set()
        self.ids: list[str] = []
        self.inline = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take one tag."""
        given = dict(attrs)
        href = given.get("href") or ""
        if tag == "a" and href.startswith("/"):
            self.local.add(href)
        if tag in ("script", "img", "iframe") or (
            tag == "link" and given.get("rel") in ("stylesheet", "icon")
        ):
            is_code = given.get("type") != "application/ld+json"
            self.assets |= {given.get("src") or href} if is_code else set()
            self.inline += tag == "script" and "src" not in given and is_code
        self.inline += "style" in given or any(name.startswith("on") for name in given)
        if given.get("id"):
            self.ids.append(str(given["id"]))


@pytest.mark.parametrize("path", PAGES)
def test_page_is_whole_and_leads_somewhere(client: httpx.Client, path: str) -> None:
    """No inline code, nothing from elsewhere, no id twice, one heading; every link of ours is answered."""
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200
    assert answer.text.count("<h1") == 1
    links = Links()
    links.feed(answer.text)
    assert links.inline == 0
    assert all(one.startswith("/static/") for one in links.assets)
    assert len(links.ids) == len(set(links.ids))
    for href in links.local:
        assert client.get(href.split("#")[0], headers=HTML).status_code in (200, 303), href


@pytest.mark.parametrize("path", [*PAGES, "/nowhere", "/health", "/static/style.css"])
def test_security_headers_are_on_every_answer(client: httpx.Client, path: str) -> None:
    """Only our own assets, no sniffing, no referrer to others; anyone may read."""
    headers = client.get(path, headers=HTML).headers
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["access-control-allow-origin"] == "*"


def test_thing_shows_statements_with_receipts(client: httpx.Client) -> None:
    """Claim number, passage words and document stand behind each statement; what is inferred is apart."""
    page = client.get("/page/gull-rock-meeting", headers=HTML).text
    asserted, _, inferred = page.partition("Inferred by rules")
    assert 'href="/page/claim/demo/0002"' in asserted
    assert "Anna Teller chaired … behalf of Marrow" in asserted
    assert "The Lighthouse Papers" in asserted
    assert "Has participant" in inferred
    held = re.search(r'<script type="application/ld\+json">(.*?)</script>', page)
    assert held and json.loads(held.group(1))[0]["@id"] == "https://w3id.org/lateral/id/gull-rock-meeting"
    assert '<link rel="canonical" href="https://w3id.org/lateral/id/gull-rock-meeting">' in page


def test_incoming_statements_are_named_from_the_thing(client: httpx.Client) -> None:
    """The inverse property heads what others say of the thing."""
    page = client.get("/page/anna-teller", headers=HTML).text
    assert "Chaired</h3>" in page.replace(" </h3>", "</h3>")


def test_claim_shows_what_it_states_and_its_record(client: httpx.Client) -> None:
    """Triples in words, status, curator, day."""
    page = client.get("/page/claim/demo/0002", headers=HTML).text
    for expected in ("chaired by", "Anna Teller", "stated", "2031-06-02", "/page/passage/demo/0002"):
        assert expected in page


def test_passage_shows_place_and_digest(client: httpx.Client) -> None:
    """Where it stands, and what proves it."""
    page = client.get("/page/passage/demo/0002", headers=HTML).text
    for expected in ("89", "141", "sha256:999edebf", "/page/claim/demo/0002", "Meetings"):
        assert expected in page


def test_document_lists_sections_and_claims(client: httpx.Client) -> None:
    """In the order of the text."""
    page = client.get("/page/document/demo/meetings", headers=HTML).text
    assert page.index("/page/claim/demo/0001") < page.index("/page/claim/demo/0002")
    assert "/page/document/demo/meetings" in client.get("/page/document/demo", headers=HTML).text


def test_search_forgives_and_groups(client: httpx.Client) -> None:
    """Things and questions are found, as a page and as JSON."""
    found = client.get("/search", params={"q": "gul rock"}).json()
    assert found["things"][0]["iri"] == "https://w3id.org/lateral/id/gull-rock-meeting"
    assert (
        client.get("/search", params={"q": "who chaired"}).json()["questions"][0]["template"]
        == "meetings/chairs"
    )
    assert "/page/gull-rock-meeting" in client.get("/search", params={"q": "gull rock"}, headers=HTML).text
    odd = client.get("/search", params={"q": "<script>\x00\"'"}, headers=HTML)
    assert odd.status_code == 200
    assert "<script>" not in odd.text


def test_home_tells_what_is_in_here(client: httpx.Client) -> None:
    """Questions as links, counts, a picture with its text."""
    page = client.get("/", headers=HTML).text
    assert 'href="/queries/meetings/chairs"' in page
    assert re.search(r"<b>2</b> claims", page)
    assert '<ul class="bars"' in page


def test_names_that_no_iri_has_are_refused() -> None:
    """Nothing that ends an IRI passes."""
    for path in ("", "a b", "a>b", 'a"b', "a\nb", "a{b", "a\\b", "x" * 400):
        with pytest.raises(NotFoundError):
            iri_of(path)


def test_text_fragments_escape_what_the_directive_uses() -> None:
    """Comma, hyphen and ampersand are written so that they stay text; only web addresses get one."""
    assert text_fragment("https://e.org/#x", "a, b", "c-d & e") == (
        "https://e.org/#:~:text=a%2C%20b,c%2Dd%20%26%20e"
    )
    assert text_fragment("javascript:alert(1)", "a", "b") is None
