"""Negotiation obeys quality, wildcards and specificity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.api.negotiation import choose, is_browser, parse_accept, quality_of, require
from kg.errors import NotAcceptableError

OFFERED = ["application/json", "text/turtle", "text/html"]
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/turtle"),
        ("text/*;q=0.5, text/html", "text/html"),
        ("application/json;q=0, */*", "text/turtle"),
        ("application/json;q=0.2, text/turtle;q=0.7", "text/turtle"),
        ("TEXT/Turtle", "text/turtle"),
        ("text/turtle;charset=utf-8", "text/turtle"),
        ("text/turtle;charset=utf-16", None),
        ("text/turtle;q=7, text/html", "text/html"),
        ("nonsense, text/html", "text/html"),
        ("*/turtle", None),
        ("image/png", None),
        ("*/*;q=0", None),
        (CHROME, "text/html"),
    ],
)
def test_choose_gives_what_is_wanted_most_when_header_varies(header: str | None, chosen: str | None) -> None:
    """The narrowest range decides the quality of a type; the earliest of equals wins."""
    assert choose(header, OFFERED) == chosen


def test_quality_is_of_the_narrowest_range_when_several_cover() -> None:
    """A type named with q=0 stays refused beside a wildcard."""
    assert quality_of("text/turtle", parse_accept("*/*, text/*;q=0.5, text/turtle;q=0")) == 0


def test_require_lists_the_types_when_none_fits() -> None:
    """The refusal says what there is."""
    with pytest.raises(NotAcceptableError) as caught:
        require("image/png", OFFERED)
    assert caught.value.fields["available"] == OFFERED


def test_is_browser_only_when_a_page_is_wanted_most() -> None:
    """Clients that take anything get the document, browsers the page."""
    assert is_browser(CHROME)
    assert not is_browser("*/*")
    assert not is_browser(None)
    assert not is_browser("application/json, text/html;q=0.5")


@given(st.text(max_size=60))
def test_choose_never_fails_when_header_is_arbitrary(header: str) -> None:
    """Any text is read, and the answer is one of the offers or none."""
    assert choose(header, OFFERED) in [*OFFERED, None]
