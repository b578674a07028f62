"""curl against a started service."""

from __future__ import annotations

import json
import subprocess

import pytest

QUERY = """PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
SELECT ?label WHERE { <https://w3id.org/lateral/id/malta> rdfs:label ?label }"""
CSV = "label\nMalta\n"


@pytest.fixture
def endpoint(real: str) -> str:
    """Return the address of the endpoint."""
    return f"{real}/sparql"


def run(curl: str, *arguments: str, text: str | None = None) -> str:
    """Run curl, and return what it printed, with plain line ends."""
    done = subprocess.run(
        [curl, "--silent", "--show-error", "--max-time", "30", "--noproxy", "*", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.replace("\r\n", "\n")


def test_curl_asks_by_get(curl: str, endpoint: str) -> None:
    """-G with --data-urlencode, Accept as a header."""
    arguments = ["-G", "--data-urlencode", f"query={QUERY}", "-H", "Accept: text/csv", endpoint]
    assert run(curl, *arguments) == CSV


def test_curl_asks_by_form(curl: str, endpoint: str) -> None:
    """--data-urlencode alone posts a form; `format` chooses."""
    arguments = ["--data-urlencode", f"query={QUERY}", "--data-urlencode", "format=csv", endpoint]
    assert run(curl, *arguments) == CSV


def test_curl_posts_a_query_from_a_pipe(curl: str, endpoint: str) -> None:
    """--data-binary @- with the type of a query."""
    arguments = [
        "--data-binary",
        "@-",
        "-H",
        "Content-Type: application/sparql-query",
        "-H",
        "Accept: text/csv",
    ]
    assert run(curl, *arguments, endpoint, text=QUERY) == CSV


def test_curl_sees_the_head(curl: str, endpoint: str) -> None:
    """-I gives status and headers and no body."""
    head, _, body = run(curl, "-I", "-G", "--data-urlencode", f"query={QUERY}", endpoint).partition("\n\n")
    assert head.startswith("HTTP/1.1 200")
    assert "content-type: application/sparql-results+json" in head
    assert "etag: " in head
    assert body == ""


def test_curl_gets_304_for_what_it_holds(curl: str, endpoint: str) -> None:
    """An entity tag that is sent back spares the body."""
    asked = ["-G", "--data-urlencode", f"query={QUERY}", endpoint]
    head = run(curl, "-I", *asked)
    tag = next(line.partition(": ")[2] for line in head.splitlines() if line.lower().startswith("etag: "))
    assert run(curl, "-w", "%{http_code}", "-H", f"If-None-Match: {tag}", *asked) == "304"


def test_curl_reads_what_is_wrong(curl: str, endpoint: str) -> None:
    """The body of an error is a problem document with line and column, and -f makes curl fail."""
    asked = ["-G", "--data-urlencode", "query=SELECT ?a WHERE { ?a ?b }", endpoint]
    body, _, status = run(curl, "-w", "\n%{http_code} %{content_type}", *asked).rpartition("\n")
    assert status == "400 application/problem+json"
    told = json.loads(body)
    assert (told["title"], told["line"]) == ("The query does not parse", 1)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(curl, "-f", *asked)
    assert failed.value.returncode == 22  # Source: curl(1), --fail


def test_curl_asks_a_question(curl: str, real: str) -> None:
    """A template by its address, with a label for a value."""
    found = run(
        curl, "-G", "--data-urlencode", "actor=Costa Rica", f"{real}/queries/actors/who-chaired?format=csv"
    )
    assert "Maritza Chan" in found
