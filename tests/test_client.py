"""Tests of `kg.client`: values, rows, and what it makes of services that answer well or badly."""

from __future__ import annotations

import asyncio
import copy
import datetime
import json
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pandas
import pytest
import rdflib

import kg
from kg.client import Blank, Graph, Iri, Row, Rows, Text
from kg.client.rows import read_rows
from kg.client.values import read_value
from kg.config import Settings
from kg.errors import (
    BusyError,
    KGError,
    MissingPartError,
    NotFoundError,
    ParameterError,
    QuerySyntaxError,
    QueryTimeoutError,
    UsageError,
)

XSD = "http://www.w3.org/2001/XMLSchema#"
JSON = "application/sparql-results+json"
PROBLEM = "application/problem+json"
QUESTION = {
    "template": "meetings/chairs",
    "title": "Chairs",
    "question": "Who?",
    "description": "A row.",
    "tags": [],
    "parameters": [],
    "columns": ["n"],
}


@pytest.mark.parametrize(
    ("text", "datatype", "value"),
    [
        ("12", "integer", 12),
        ("-7", "nonPositiveInteger", -7),
        ("1.50", "decimal", Decimal("1.50")),
        ("1e3", "double", 1000.0),
        ("-INF", "float", float("-inf")),
        ("true", "boolean", True),
        ("0", "boolean", False),
        ("2024-05-31", "date", datetime.date(2024, 5, 31)),
        ("2024-05-31T10:00:00Z", "dateTime", datetime.datetime(2024, 5, 31, 10, tzinfo=datetime.UTC)),
        ("plain", "string", "plain"),
    ],
)
def test_literal_becomes_the_value_of_its_datatype(text: str, datatype: str, value: Any) -> None:
    """Numbers, truth values, full dates and times."""
    found = read_value({"type": "literal", "value": text, "datatype": XSD + datatype})
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "datatype"),
    [
        ("abc", "integer"),
        ("1_000", "integer"),
        ("٣", "integer"),
        ("9" * 5000, "integer"),
        ("NaN", "decimal"),
        ("1e3", "decimal"),
        ("yes", "boolean"),
        ("2024", "gYear"),
        ("2024-05", "gYearMonth"),
        ("2024-02-30", "date"),
        ("20240531", "date"),
        ("12024-05-31", "date"),
        ("2024-05-31Z", "date"),
        ("2024-05-31T24:00:00", "dateTime"),
    ],
)
def test_literal_that_no_value_holds_stays_a_text(text: str, datatype: str) -> None:
    """What is wrong, too long, or no full date keeps its text and its datatype."""
    found = read_value({"type": "literal", "value": text, "datatype": XSD + datatype})
    assert isinstance(found, Text)
    assert (found, found.datatype, found.language) == (text, XSD + datatype, None)


def test_other_terms_keep_what_they_are() -> None:
    """IRIs, blank nodes, texts in a language, triples."""
    iri = {"type": "uri", "value": "urn:a"}
    text = read_value({"type": "literal", "value": "a", "xml:lang": "en"})
    assert isinstance(read_value(iri), Iri)
    assert isinstance(read_value({"type": "bnode", "value": "b"}), Blank)
    assert isinstance(text, Text) and text.language == "en"
    triple = {"type": "triple", "value": {"subject": iri, "predicate": iri, "object": iri}}
    assert read_value(triple) == ("urn:a", "urn:a", "urn:a")


def test_values_survive_copies_and_pickles() -> None:
    """Label, language and datatype go along."""
    iri, text = Iri("urn:a", "A"), Text("a", "en")
    for again in (copy.deepcopy(iri), pickle.loads(pickle.dumps(iri))):
        assert (again, again.label) == ("urn:a", "A")
    for said in (copy.copy(text), pickle.loads(pickle.dumps(text))):
        assert (said, said.language, said.datatype) == ("a", "en", None)


def rows(*found: Mapping[str, Any]) -> Rows:
    """Make rows of terms."""
    columns = list(dict.fromkeys(name for one in found for name in one))
    result = {"head": {"vars": columns}, "results": {"bindings": list(found)}}
    return read_rows(result, version="v1", query="q")


def literal(text: str, datatype: str = "string") -> dict[str, str]:
    """Make a literal as a result has it."""
    return {"type": "literal", "value": text, "datatype": XSD + datatype}


def test_rows_are_a_sequence_of_mappings_that_nobody_changes() -> None:
    """Every column in every row, a label on an IRI, slices, equality; no assignment."""
    found = rows(
        {"a": {"type": "uri", "value": "urn:a"}, "aLabel": {**literal("A"), "xml:lang": "en"}},
        {"n": literal("1", "integer")},
    )
    assert found.columns == ("a", "aLabel", "n")
    assert dict(found[1]) == {"a": None, "aLabel": None, "n": 1}
    first = found[0]["a"]
    assert isinstance(first, Iri) and first.label == "A"
    assert len(found[1:]) == 1 and found[1:].version == "v1" and found[1:].query == "q"
    assert found == Rows(found.columns, tuple(found)) and found != found[1:]
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(KeyError, match="expected one of a, aLabel, n"):
        found[0]["b"]
    with pytest.raises(TypeError):
        found[0]["a"] = 1  # type: ignore[index]
    with pytest.raises(AttributeError):
        found.rows = ()  # type: ignore[misc]


def test_pandas_gets_a_type_for_each_column() -> None:
    """Whole numbers, decimals, dates and truth values are typed, with and without gaps."""
    full = {
        "n": literal("1", "integer"),
        "d": literal("1.5", "decimal"),
        "day": literal("2024-05-31", "date"),
        "is": literal("true", "boolean"),
        "iri": {"type": "uri", "value": "urn:a"},
        "year": literal("2024", "gYear"),
        "huge": literal("9" * 30, "integer"),
    }
    table = rows(full, full).to_pandas()
    assert [str(table[one].dtype) for one in ("n", "d", "is", "huge")] == [
        "int64",
        "float64",
        "bool",
        "float64",
    ]
    assert table["day"].dt.year.tolist() == [2024, 2024]
    assert pandas.api.types.is_string_dtype(table["iri"]) and table["year"].tolist() == ["2024", "2024"]
    assert type(table["iri"][0]) is str
    assert table.attrs == {"version": "v1", "query": "q"}
    gaps = rows(full, {}).to_pandas()
    assert [str(gaps[one].dtype) for one in ("n", "d", "is")] == ["Int64", "float64", "boolean"]
    assert gaps.isna().sum().tolist() == [1] * 7
    empty = Rows(("a", "b"), ()).to_pandas()
    assert list(empty.columns) == ["a", "b"] and len(empty) == 0


def test_without_pandas_the_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is missing, and pip brings it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPartError, match="pip install pandas") as raised:
        rows().to_pandas()
    assert raised.value.fields["part"] == "pandas"


def test_notebook_shows_a_table_in_which_nothing_is_markup() -> None:
    """Texts are escaped, web IRIs are links under their label, other IRIs are none, long answers are cut."""
    evil = '<script>&"'
    found = rows(
        {"a": {"type": "uri", "value": 'https://example.org/"><b>'}, "aLabel": literal(evil)},
        {"a": {"type": "uri", "value": "javascript:alert(1)"}},
        *({"a": literal("x")} for _ in range(60)),
    )
    shown = found._repr_html_()
    assert "<script" not in shown and "<b>" not in shown
    assert '<a href="https://example.org/&quot;&gt;&lt;b&gt;">&lt;script&gt;&amp;&quot;</a>' in shown
    assert 'href="javascript' not in shown
    assert shown.count("<tr>") == 51 and "62 rows, the first 50 shown; version v1" in shown
    assert "<th>aLabel</th>" not in shown


def test_import_of_kg_loads_no_client_and_the_client_no_library() -> None:
    """`import kg` stays light; a client of a service loads neither store nor rdflib nor the web."""
    script = (
        "import sys, kg; assert 'kg.client' not in sys.modules; from kg import Graph;"
        "Graph('http://127.0.0.1:1'); "
        "print([one for one in ('pyoxigraph', 'rdflib', 'fastapi', 'rapidfuzz', 'yaml', 'pandas')"
        " if one in sys.modules])"
    )
    environment = {"PYTHONPATH": str(Path(kg.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'Grap'"):
        kg.__getattr__("Grap")


Reply = tuple[int, dict[str, str], bytes]
Serving = Callable[[Callable[[str], Reply]], Any]


@contextmanager
def answering(reply: Callable[[str], Reply]) -> Iterator[tuple[str, list[str]]]:
    """Serve what a function says for a path; give the address and the paths that were asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = reply(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def listed(path: str) -> Reply | None:
    """Answer for the list of questions."""
    return (
        (200, {"Content-Type": "application/json"}, json.dumps([QUESTION]).encode())
        if path == "/queries"
        else None
    )


def page(*numbers: int, version: str = "v1", link: str = "") -> Reply:
    """Make one page of an answer."""
    bindings = [{"n": literal(str(one), "integer")} for one in numbers]
    body = json.dumps({"head": {"vars": ["n"]}, "results": {"bindings": bindings}}).encode()
    return 200, {"Content-Type": JSON, "KG-Version": version, "Link": link}, body


def problem(error: KGError, **headers: str) -> Reply:
    """Make the answer of an error."""
    body = json.dumps(error.as_problem()).encode()
    return error.outcome.status, {"Content-Type": PROBLEM, **headers}, body


def test_every_page_is_fetched() -> None:
    """`next` is followed to the end, the rows stand in order."""

    def reply(path: str) -> Reply:
        following = '</queries/meetings/chairs?page=2&page_size=2>; rel="next", </queries>; rel="first"'
        return listed(path) or (page(3) if "page=2" in path else page(1, 2, link=following))

    with answering(reply) as (address, asked):
        found = Graph(address, page_size=2).ask("chairs")
    assert [one["n"] for one in found] == [1, 2, 3]
    assert asked == [
        "/queries",
        "/queries/meetings/chairs?page_size=2",
        "/queries/meetings/chairs?page=2&page_size=2",
    ]
    assert (found.version, found.query) == ("v1", "/queries/meetings/chairs")


def test_version_that_changes_between_pages_is_asked_anew() -> None:
    """No answer mixes two versions; where it goes on changing, that is an error."""
    versions = iter(["v1", "v2", "v2", "v2"])

    def reply(path: str) -> Reply:
        following = '</queries/meetings/chairs?page=2>; rel="next"'
        return listed(path) or page(
            1, version=next(versions, path), link="" if "page=2" in path else following
        )

    with answering(reply) as (address, _):
        graph = Graph(address)
        assert graph.ask("chairs").version == "v2"
        with pytest.raises(BusyError, match="changed between two pages"):
            graph.ask("chairs")


def test_pages_that_have_become_fewer_are_asked_anew() -> None:
    """A page that is gone when it is asked for is no error of the caller."""
    gone = [ParameterError("page: 2 is past the last page, 1.", parameter="page", value="2", near=["1"])]

    def reply(path: str) -> Reply:
        if "page=2" in path:
            return problem(gone.pop())
        return listed(path) or page(1, link='</queries/meetings/chairs?page=2>; rel="next"' if gone else "")

    with answering(reply) as (address, _):
        assert len(Graph(address).ask("chairs")) == 1


def test_busy_service_is_asked_again_after_what_it_says() -> None:
    """Two refusals with Retry-After are waited out, and no longer than patience."""
    refusals = [BusyError("full", retry_after_s=1), BusyError("full", retry_after_s=1)]

    def reply(path: str) -> Reply:
        return problem(refusals.pop(), **{"Retry-After": "1"}) if refusals else page(1)

    with answering(reply) as (address, asked):
        started = time.monotonic()
        assert len(Graph(address).select("SELECT ?n {}")) == 1
        assert time.monotonic() - started >= 2
        assert len(asked) == 3
        refusals.append(BusyError("full", retry_after_s=60))
        with pytest.raises(BusyError, match="full"):
            Graph(address, patience_s=0.5).query("SELECT ?n {}")
        assert len(asked) == 4


def test_query_that_took_too_long_is_not_asked_again() -> None:
    """503 means many things; only a busy service may be better later."""
    error = QueryTimeoutError("ended after 30 s", timeout_s=30)
    with answering(lambda _: problem(error, **{"Retry-After": "1"})) as (address, asked):
        with pytest.raises(QueryTimeoutError, match="ended after 30 s") as raised:
            Graph(address).query("SELECT ?n {}")
        assert raised.value.fields == {"timeout_s": 30}
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            (302, {"Location": "http://127.0.0.1:9/x"}, b""),
            "http://127.0.0.1:9/x; redirects are not followed",
        ),
        ((404, {"Content-Type": "text/html"}, b"<p>"), "answers 404"),
        ((200, {"Content-Type": "text/html"}, b"<p>"), "not JSON"),
        ((200, {"Content-Type": JSON}, b"[]"), "not a SPARQL result"),
        ((500, {"Content-Type": PROBLEM}, b"[]"), "a problem that does not read"),
        ((200, {"Content-Type": JSON, "Content-Length": "99"}, b"{}"), "97 bytes early"),
    ],
)
def test_what_is_no_service_of_ours_is_told(reply: Reply, told: str) -> None:
    """One error, whatever stands at the address; its message says what came."""
    with answering(lambda _: reply) as (address, asked):
        with pytest.raises(MissingPartError, match=told) as raised:
            Graph(address).select("SELECT ?n {}")
        assert raised.value.fields["part"] == "service"
        assert len(asked) == 1


def test_page_on_another_host_is_not_asked() -> None:
    """A `next` that leads away is refused."""
    with answering(lambda path: listed(path) or page(1, link='<http://127.0.0.1:9/x>; rel="next"')) as (
        address,
        asked,
    ):
        with pytest.raises(MissingPartError, match="another host"):
            Graph(address).ask("chairs")
        assert len(asked) == 2


@pytest.mark.parametrize("tail", ["", "/", "/sparql", "/sparql/"])
def test_address_may_be_that_of_the_endpoint(tail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without `/sparql`; a service of this machine is not asked through a proxy."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(lambda _: page(1)) as (address, asked):
        assert len(Graph(address + tail).select("SELECT ?n {}")) == 1
    assert asked == ["/sparql"]


def test_service_that_is_not_there_is_told() -> None:
    """No listener: what was tried, and what starts one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(MissingPartError, match="kg serve"):
        Graph(f"http://127.0.0.1:{port}").query("ASK {}")


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_service_that_does_not_answer_is_given_up(first: bytes) -> None:
    """Neither silence nor an answer that trickles lasts longer than the timeout."""
    stop = threading.Event()

    def trickle() -> None:
        taken, _ = listener.accept()
        with taken:
            taken.sendall(first)
            while not stop.wait(0.05):
                if first:
                    taken.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle)
        thread.start()
        started = time.monotonic()
        try:
            with pytest.raises(MissingPartError, match=r"did not answer within 0\.5 s"):
                Graph(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.5).query("ASK {}")
        finally:
            stop.set()
            thread.join()
        assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "source",
    [
        "",
        "nowhere/at/all",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1/?a=b",
        "http://a:b@127.0.0.1",
        "http://127.0.0.1:99999",
        "http://[::1",
    ],
)
def test_source_that_is_neither_service_nor_folder_is_refused(source: str, tmp_path: Path) -> None:
    """Before anything is asked."""
    with pytest.raises(UsageError):
        Graph(source or str(tmp_path / "none"))


def test_folder_in_which_nothing_is_built_is_told(tmp_path: Path) -> None:
    """With the command that builds it."""
    with pytest.raises(MissingPartError, match="kg build"):
        Graph(tmp_path)


@pytest.fixture(params=["service", "checkout", "built"])
def graph(request: pytest.FixtureRequest, client: httpx.Client, served: Settings) -> Graph:
    """Return the small graph, by each of the three ways to it."""
    if request.param == "service":
        return Graph(str(client.base_url))
    return Graph(served.root if request.param == "checkout" else served.build_path)


def test_question_is_asked_by_name_or_key(graph: Graph) -> None:
    """The same rows, with names looked up as a person types them."""
    found = graph.ask("chairs", actor="anna teller")
    assert [one["actorLabel"] for one in found] == ["Anna Teller"]
    assert found == graph.ask("meetings/chairs", actor="id:anna-teller") == graph.ask("chairs", actor=None)
    assert found.query == "/queries/meetings/chairs?actor=anna+teller"
    assert found.version.startswith("2031-06-02-")


def test_query_gives_what_its_form_says(graph: Graph) -> None:
    """Rows, a truth value, triples."""
    text = "SELECT ?n { VALUES ?n { 1 2 } }"
    found = graph.query(text)
    assert isinstance(found, Rows) and [one["n"] for one in found] == [1, 2] and found.query == text
    assert graph.query("ASK { ?s ?p ?o }") is True
    triples = graph.query("CONSTRUCT { <urn:a> <urn:b> 1 } WHERE {}")
    assert isinstance(triples, rdflib.Graph) and len(triples) == 1
    assert isinstance(graph.query("DESCRIBE <https://w3id.org/lateral/id/anna-teller>"), rdflib.Graph)
    with pytest.raises(UsageError, match="no SELECT"):
        graph.select("ASK {}")


def test_errors_are_those_of_the_service(graph: Graph) -> None:
    """The class, the message and the fields are there, near matches among them."""
    with pytest.raises(ParameterError) as wrong:
        graph.ask("chairs", actor="Hanna Tiller")
    assert wrong.value.fields["parameter"] == "actor"
    assert "id:anna-teller (Anna Teller)" in wrong.value.fields["near"]
    with pytest.raises(ParameterError, match="is not a parameter"):
        graph.ask("chairs", page=2)
    with pytest.raises(NotFoundError) as missing:
        graph.ask("chair")
    assert missing.value.fields["near"] == ["meetings/chairs"]
    with pytest.raises(QuerySyntaxError) as syntax:
        graph.query("SELECT ?a\nWHERE { ?a ?b }")
    assert syntax.value.fields["line"] == 2


def test_search_finds_things_and_questions(graph: Graph) -> None:
    """Best first, forgiving; an IRI carries its label, a question its key."""
    found = graph.search("ana teller")
    first = found[0]["name"]
    assert isinstance(first, Iri) and first.label == "Anna Teller" and first.endswith("/id/anna-teller")
    assert [one["name"] for one in graph.search("chaired what") if one["type"] == "question"] == [
        "meetings/chairs"
    ]


@pytest.mark.parametrize(
    "name", ["Anna Teller", "anna-teller", "id:anna-teller", "<https://w3id.org/lateral/id/anna-teller>"]
)
def test_describe_gives_statements_with_receipts(graph: Graph, name: str) -> None:
    """By label, slug, prefixed name or IRI: each statement with the graph that states it."""
    found = graph.describe(name)
    labels = [one["value"] for one in found if str(one["property"]).endswith("#label")]
    assert labels == ["Anna Teller"]
    assert all(isinstance(one["graph"], Iri) for one in found)


def test_describe_of_what_is_not_there_tells_what_is_near(graph: Graph) -> None:
    """An injection in a name is a name that nothing has."""
    with pytest.raises(NotFoundError) as raised:
        graph.describe("Hanna Teller")
    assert raised.value.fields["near"] == ["https://w3id.org/lateral/id/anna-teller (Anna Teller)"]
    with pytest.raises(NotFoundError):
        graph.describe("urn:a> ?p ?o } #")


def test_notebook_with_a_running_loop_can_ask(served: Settings) -> None:
    """A folder answers where an event loop runs already."""

    async def cell() -> int:
        return len(Graph(served.root).ask("chairs"))

    assert asyncio.run(cell()) == 1


def test_row_shows_itself() -> None:
    """In one line, as the mapping that it is."""
    assert repr(Row({"a": 1})) == "Row({'a': 1})"
