"""
Remote: a running service, over HTTP with the standard library alone.

No redirect is followed: an answer comes from the address that was given, or not at all.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from kg import __version__
from kg.client.rows import Rows, read_rows
from kg.client.source import Answer, Found, Question, QuestionParameter, question_path
from kg.errors import BusyError, KGError, MissingPartError, ParameterError, UsageError, from_problem

_RESULTS = "application/sparql-results+json"
_TRIPLES = "text/turtle"
_ACCEPT = f"{_RESULTS}, {_TRIPLES};q=0.9, application/problem+json;q=0.1"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_CHUNK_BYTES = 65_536
_DEFAULT_RETRY_S = 5.0
_ATTEMPTS = 3
_LINK = re.compile(r'<([^>]*)>\s*;\s*rel="?([a-z-]+)"?')


class Service:
    """
    A service.

    Args:
        address: Its address: `http://…` or `https://…`, with or without `/sparql` at its end.
        timeout_s: Seconds that one request may take in all.
        patience_s: Seconds that may be waited in all, for one call, while the service is busy.
        page_size: How many rows of a question are fetched at a time, in rows.
    """

    def __init__(self, address: str, *, timeout_s: float, patience_s: float, page_size: int) -> None:
        if not _is_address(address):
            raise UsageError(f"{address!r} is not the address of a service: expected http://host:port/.")
        parts = urlsplit(address)
        path = parts.path.rstrip("/").removesuffix("/sparql")
        self.address = f"{parts.scheme}://{parts.netloc}{path}/"
        self._timeout_s, self._patience_s, self._page_size = timeout_s, patience_s, page_size
        self._opener = OpenerDirector()
        # no handler of redirects and of errors: every answer comes back as it is
        proxies: dict[str, str] | None = (
            {} if parts.hostname in _LOOPBACK else None
        )  # None: those of the environment
        for handler in (ProxyHandler(proxies), HTTPHandler(), HTTPSHandler()):
            self._opener.add_handler(handler)

    def query(self, text: str) -> Answer:
        """Send SPARQL."""
        response = self._fetch("sparql", body=text.encode(), accept=_ACCEPT)
        if response.media_type == _TRIPLES:
            return Answer(response.version, triples=response.body)
        return Answer(response.version, result=response.result())

    def ask(self, question: Question, values: Mapping[str, str]) -> Rows:
        """Ask a question, page after page; a version that changes between two pages starts it anew."""
        path = question_path(question, values)
        is_paged = not any(one.name in ("page", "page_size") for one in question.parameters)
        first = path + (("&" if "?" in path else "?") + f"page_size={self._page_size}" if is_paged else "")
        for _ in range(_ATTEMPTS):
            pages = self._pages(first, path)
            if pages and len({one.version for one in pages}) == 1:
                rows = tuple(row for one in pages for row in one.rows)
                return Rows(pages[0].columns, rows, pages[0].version, path)
        raise BusyError(f"{path}: the graph changed between two pages, {_ATTEMPTS} times.", retry_after_s=5)

    def questions(self) -> tuple[Question, ...]:
        """List the questions."""
        response = self._fetch("queries", accept="application/json")
        try:
            return tuple(_read_question(one) for one in response.json())
        except (KeyError, TypeError) as error:
            raise response.stranger("something that is no list of questions") from error

    def search(self, text: str) -> list[Found]:
        """Find things, concepts and questions by name."""
        response = self._fetch("search?" + urlencode({"q": text}), accept="application/json")
        try:
            groups = [response.json()[name] for name in ("things", "concepts", "questions")]
            return [_read_found(one) for group in groups for one in group]
        except (KeyError, TypeError) as error:
            raise response.stranger("something that is no list of names") from error

    def _pages(self, address: str, query: str) -> list[Rows]:
        pages: list[Rows] = []
        following: str | None = address
        while following:
            try:
                response = self._fetch(following.removeprefix("/"), accept=_RESULTS)
            except ParameterError as error:
                if pages and error.fields.get("parameter") == "page":
                    return []  # there are fewer pages than there were
                raise
            pages.append(read_rows(response.result(), version=response.version, query=query))
            following = response.next
        return pages

    def _fetch(self, path: str, *, accept: str, body: bytes | None = None) -> _Response:
        """Send one request; while the service is busy wait as long as it says, within patience."""
        deadline = time.monotonic() + self._patience_s
        while True:
            response = self._send(path, accept=accept, body=body)
            if response.status == 200:
                return response
            error = response.error()
            wait_s = response.retry_after_s
            if not isinstance(error, BusyError) or time.monotonic() + wait_s > deadline:
                raise error
            time.sleep(wait_s)

    def _send(self, path: str, *, accept: str, body: bytes | None) -> _Response:
        address = urljoin(self.address, path)
        headers = {"Accept": accept, "User-Agent": f"lateral-kg/{__version__}"}
        if body is not None:
            headers["Content-Type"] = "application/sparql-query"
        if urlsplit(address)[:2] != urlsplit(self.address)[:2]:
            raise MissingPartError(
                f"{self.address} leads to {address}, another host: not followed.", part="service"
            )
        request = Request(address, data=body, headers=headers)  # noqa: S310 (http and https only, as above)
        deadline = time.monotonic() + self._timeout_s
        try:
            response = self._opener.open(request, timeout=self._timeout_s)
            if response is None:
                raise OSError(f"no way to open {address}")
            with response:
                return _Response(address, response, _read(response, deadline))
        except TimeoutError as error:
            raise MissingPartError(
                f"{address} did not answer within {self._timeout_s:g} s (timeout_s): ask for less.",
                part="service",
            ) from error
        except (OSError, HTTPException, UnicodeError) as error:
            reason = getattr(error, "reason", None) or error
            raise MissingPartError(
                f"{self.address} cannot be reached ({reason}): start it with kg serve.",
                part="service",
            ) from error


class _Response:
    """One answer over HTTP, read whole."""

    def __init__(self, address: str, response: HTTPResponse, body: bytes) -> None:
        self.address, self.status, self.body = address, response.status, body
        self.headers = response.headers
        self.media_type = response.headers.get_content_type()
        self.version = response.headers.get("KG-Version", "")

    @property
    def next(self) -> str | None:
        """Where the next page is."""
        links = {name: target for target, name in _LINK.findall(", ".join(self.headers.get_all("Link", [])))}
        return links.get("next")

    @property
    def retry_after_s(self) -> float:
        """How long to wait, in seconds."""
        text = self.headers.get("Retry-After", "").strip()
        return float(text) if text.isascii() and text.isdigit() else _DEFAULT_RETRY_S

    def json(self) -> Any:
        """
        Read the body as JSON.

        Raises:
            MissingPartError: It is none: something else answers there.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise self.stranger("something that is not JSON") from error

    def result(self) -> Mapping[str, Any]:
        """
        Read the body as a SPARQL result.

        Raises:
            MissingPartError: It is none.
        """
        found = self.json()
        is_result = isinstance(found, dict) and ("boolean" in found or {"head", "results"} <= found.keys())
        if not is_result:
            raise self.stranger("something that is not a SPARQL result")
        return dict(found)

    def error(self) -> KGError:
        """Make the error that the answer tells."""
        if self.media_type == "application/problem+json":
            try:
                return from_problem(json.loads(self.body))
            except (ValueError, AttributeError):
                return self.stranger("a problem that does not read")
        if 300 <= self.status < 400:
            target = urljoin(self.address, self.headers.get("Location", ""))
            return self.stranger(f"that it is at {target}; redirects are not followed, give that address")
        if self.status == 503:
            return BusyError(f"{self.address} answers 503: it is busy.", retry_after_s=self.retry_after_s)
        return self.stranger(f"{self.status}")

    def stranger(self, told: str) -> MissingPartError:
        """Make the error for an answer that no service of ours gives."""
        return MissingPartError(
            f"{self.address} answers {told}: expected a service of Lateral there.",
            part="service",
            status_received=self.status,
        )


def _is_address(text: str) -> bool:
    """
    Say whether a text is the address of a service: HTTP, a host, perhaps a port and a path, no more.

    >>> _is_address("https://example.org/sparql"), _is_address("http://example.org:99999/")
    (True, False)
    """
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 (raises where it is no port)
    except ValueError:
        return False
    is_bare = parts.username is None and not parts.query and not parts.fragment
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_bare


def _read(response: HTTPResponse, deadline: float) -> bytes:
    """Read a body to its end, or to the deadline."""
    chunks = []
    while chunk := response.read1(_CHUNK_BYTES):
        chunks.append(chunk)
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:
        raise HTTPException(f"the answer ended {response.length} bytes early")
    return b"".join(chunks)


def _read_found(told: Mapping[str, Any]) -> Found:
    if "template" in told:
        return Found(told["template"], told["question"], "question", told["score"])
    return Found(told["iri"], told["label"], told["type"], told["score"])


def _read_question(told: Mapping[str, Any]) -> Question:
    return Question(
        key=told["template"],
        title=told["title"],
        question=told["question"],
        description=told["description"],
        tags=tuple(told["tags"]),
        parameters=tuple(
            QuestionParameter(
                name=one["name"],
                type=one["type"],
                description=one["description"],
                required=one["required"],
                values=tuple(one.get("values", ())),
                example=one.get("example"),
            )
            for one in told["parameters"]
        ),
        columns=tuple(told["columns"]),
    )
