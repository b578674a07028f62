"""Arguments: what a caller gives to a tool, read strictly; the page that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kg.api.templates import Page
from kg.errors import ParameterError

_MAX_PAGE = 1_000_000

Arguments = Mapping[str, Any]


def turn(number: int, size: int, rows: int) -> Page:
    """Return a page of so many rows; a number past the last is refused with the last."""
    page = Page(number, size, rows)
    if number > page.last:
        raise ParameterError(
            f"page: {number} is past the last page, {page.last}.",
            parameter="page",
            value=str(number),
            near=[str(page.last)],
        )
    return page


def read_page(arguments: Arguments) -> int:
    """Return the page that is asked for, from 1."""
    return read_whole(arguments, "page", default=1, most=_MAX_PAGE)


def read_whole(arguments: Arguments, name: str, *, default: int, most: int) -> int:
    """Return a whole number from 1."""
    given = arguments.get(name)
    if given is None:
        return default
    text = str(given)
    if isinstance(given, bool) or not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= most):
        raise wrong(name, given, f"a whole number from 1 to {most}")
    return int(text)


def read_text(arguments: Arguments, name: str) -> str:
    """Return a text that must be there."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise wrong(name, value, "a text")
    return value


def write(name: str, value: Any) -> str:
    """Write a value of JSON as a person would type it."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise wrong(name, value, "a text or a whole number")
    return str(value)


def wrong(name: str, value: Any, expected: str) -> ParameterError:
    """Make the error of an argument that is not what it must be."""
    told = "is missing" if value is None else f"{str(value)[:40]!r} is not what it takes"
    return ParameterError(f"{name} {told}: expected {expected}.", parameter=name, value=value, near=[])
