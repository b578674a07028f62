"""
Tests of `kg.mcp`: the SDK's own client against a started `kg mcp`, over the real graph.

What the server says of the passages behind a row is held to the published graph by other means.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyoxigraph as ox
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, TextContent

from kg import names
from kg.config import Settings
from kg.mcp import tools
from kg.names import load_prefixes
from kg.templates import Template, load_templates

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PREFIXES = load_prefixes(ROOT / "ontology" / "prefixes.ttl")
TEMPLATES = load_templates(ROOT, PREFIXES)
LIMITS = {"KG_TIMEOUT_S": "2", "KG_QUICK_TIMEOUT_S": "1"}
RUNAWAY = "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"


class Session:
    """A client with a started server, for tests that know no event loop."""

    def __init__(self, client: Client, run: Callable[..., Any]) -> None:
        self.client = client
        self.run = run

    def call(self, name: str, /, **arguments: Any) -> CallToolResult:
        """Call a tool."""
        found: CallToolResult = self.run(lambda: self.client.call_tool(name, arguments))
        return found

    def tell(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool that is to succeed, and return its values; the client held them to the schema."""
        found = self.call(name, **arguments)
        assert not found.is_error, text(found)
        assert isinstance(found.structured_content, dict)
        return found.structured_content

    def refuse(self, name: str, /, **arguments: Any) -> str:
        """Call a tool that is to be refused, and return what it says."""
        found = self.call(name, **arguments)
        assert found.is_error
        return text(found)


def text(result: CallToolResult) -> str:
    """Return the text of a result."""
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a server."""
    return {**os.environ, "PYTHONPATH": str(SOURCE), **more}


def command(root: Path, *arguments: str) -> list[str]:
    """Return what starts a server over a project as it was last built."""
    return [sys.executable, "-m", "kg", "--root", str(root), "--last", "mcp", *arguments]


class Connection:
    """A connected client, as a context that gives a session."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __enter__(self) -> Session:
        """Connect."""
        self._portal = start_blocking_portal()
        portal = self._portal.__enter__()
        self._connected = portal.wrap_async_context_manager(self.client)
        return Session(self._connected.__enter__(), portal.call)

    def __exit__(self, *error: Any) -> None:
        """Leave."""
        self._connected.__exit__(*error)
        self._portal.__exit__(*error)


@pytest.fixture(scope="module")
def session(published: ox.Store) -> Iterator[Session]:
    """Start `kg mcp` over the real graph."""
    program, *rest = command(ROOT)
    server = StdioServerParameters(command=program, args=rest, env=environment(**LIMITS))
    with Connection(Client(server, read_timeout_seconds=20)) as started:
        yield started


def values_of(template: Template) -> dict[str, Any]:
    """Return what a question needs, from its examples."""
    return {one.name: one.example for one in template.parameters.values() if one.required}


def test_every_question_is_a_tool(session: Session) -> None:
    """Each has a name that clients take, what it asks, and its parameters; none can write."""
    listed = {one.name: one for one in session.run(session.client.list_tools).tools}
    assert len(TEMPLATES) > 50
    assert set(listed) == {"search", "describe", "receipt", "query", *map(tools.tool_name, TEMPLATES)}
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,48}", name) for name in listed)
    for one in listed.values():
        assert one.annotations is not None
        assert (one.annotations.read_only_hint, one.annotations.open_world_hint) == (True, False)
        assert one.title and one.description and one.output_schema
    chairing = listed["ask_actors_who_chaired"].input_schema["properties"]
    assert chairing["since"]["type"] == "integer"
    assert "Name, slug or IRI of a lat:Actor" in chairing["actor"]["description"]
    record = listed["ask_actors_record"].input_schema
    assert (record["required"], record["properties"]["actor"]["examples"]) == (
        ["actor"],
        [TEMPLATES["actors/record"].parameters["actor"].example],
    )


def test_a_question_takes_a_name_and_gives_rows_with_passages(session: Session) -> None:
    """ "Singapore" is understood; each row leads to claims, each claim to a place in a document."""
    told = session.tell("ask_actors_who_chaired", actor="Singapore")
    row = next(one for one in told["rows"] if one["cells"]["body"]["iri"].endswith("/id/unclos-negotiations"))
    assert row["cells"]["actor"] == {"label": "Singapore", "iri": names.ID + "singapore"}
    assert (row["basis"], row["claims"]) == ("speaks", ["ipi-claim:0414"])
    [claim] = [one for one in told["claims"] if one["claim"] == "ipi-claim:0414"]
    assert claim["status"] == "stated"
    [passage] = claim["passages"]
    assert passage["document"] == "Small States and the Multilateral System"
    assert passage["section"].startswith("Small States as Stewards")
    assert passage["first_words"] and passage["last_words"]


def test_the_text_of_an_answer_says_the_same(session: Session) -> None:
    """A table with labels, a mark in each row, and below it the claim that the mark stands for."""
    said = text(session.call("ask_actors_who_chaired", actor="singapore"))
    assert said.splitlines()[0].endswith("** (actor: Singapore)")
    assert "| actor | body | part | office | represented | start | end | claims |" in said
    assert re.search(r"\| Singapore \| Negotiations on the UN Convention .* \(\d\) \|", said)
    assert re.search(
        r"\n\(\d\) ipi-claim:0414, stated: Small States and the Multilateral System, section ", said
    )


@pytest.mark.parametrize("key", TEMPLATES)
def test_every_question_answers_with_its_example(session: Session, published: ox.Store, key: str) -> None:
    """Rows, and behind each the claims that it names, or that do speak of what stands in it."""
    template = TEMPLATES[key]
    told = session.tell(tools.tool_name(key), **values_of(template))
    assert told["template"] == key
    assert told["rows"], "an example is to have an answer"
    known = {one["claim"]: one for one in told["claims"]}
    asked = {PREFIXES.expand(one) for one in values_of(template).values() if ":" in one}
    for row in told["rows"]:
        assert (row["basis"] == "none") == (not row["claims"])
        for claim in row["claims"]:
            assert known[claim]["passages"]
            if row["basis"] == "speaks":
                said = mentioned(published, known[claim]["iri"])
                assert len((cells(row) | asked) & said) >= 2
                assert cells(row) & said
    for claim in told["claims"]:
        for passage in claim["passages"]:
            assert max(len(passage[one].split()) for one in ("first_words", "last_words")) <= 4


def mentioned(store: ox.Store, claim: str) -> set[str]:
    """Return what the graph of a claim holds: IRIs and texts."""
    quads = store.quads_for_pattern(None, None, None, ox.NamedNode(claim))
    return {getattr(one, "value", "") for quad in quads for one in quad.triple}


def cells(row: dict[str, Any]) -> set[str]:
    """Return what stands in a row: IRIs and texts."""
    return {str(one["iri"]) if isinstance(one, dict) else str(one) for one in row["cells"].values()}


def test_a_wrong_name_is_answered_with_near_ones(session: Session) -> None:
    """The error is the result of the call, so that a model can mend it."""
    said = session.refuse("ask_actors_who_chaired", actor="Singapur")
    assert "actor: 'Singapur' is not the name" in said
    assert "id:singapore (Singapore)" in said
    assert "Known: actor, body, since" in session.refuse("ask_actors_who_chaired", actr="Singapore")
    assert "a year of four digits" in session.refuse("ask_actors_who_chaired", since=19)
    assert "expected a text or a whole number" in session.refuse("ask_actors_who_chaired", actor=["Malta"])


def test_a_name_does_where_any_thing_may_stand(session: Session) -> None:
    """A parameter without a class takes a label too."""
    told = session.tell("ask_evidence_receipts", thing="High Ambition Coalition")
    assert {row["basis"] for row in told["rows"]} == {"named"}
    assert "Near: id:high-ambition-coalition" in session.refuse(
        "ask_evidence_receipts", thing="High Ambition Coalicion"
    )


def test_answers_come_in_pages(session: Session) -> None:
    """Twenty rows each, with how many there are; the last is told where one asks for more."""
    first = session.tell("ask_techniques_frequency")
    assert len(first["rows"]) == 20
    last = session.tell("ask_techniques_frequency", page=first["pages"])
    assert (first["pages"] - 1) * 20 + len(last["rows"]) == first["total_rows"]
    assert f"past the last page, {first['pages']}" in session.refuse("ask_techniques_frequency", page=99)
    assert "expected a whole number from 1" in session.refuse("ask_techniques_frequency", page=-1)


def test_a_count_has_no_claim_and_says_so(session: Session) -> None:
    """Nothing is made up where nothing is found."""
    told = session.tell("ask_techniques_frequency")
    assert {row["basis"] for row in told["rows"]} == {"none"}
    assert told["claims"] == []
    assert "No mark: no one claim speaks of two of the things" in text(
        session.call("ask_techniques_frequency")
    )


def test_search_finds_things_and_questions(session: Session) -> None:
    """Accents and a slip of the pen do not matter; a question comes with its tool."""
    told = session.tell("search", text="Marshal Islands")
    assert told["things"][0]["name"] == "id:marshall-islands"
    told = session.tell("search", text="Who chaired")
    assert "ask_actors_who_chaired" in {one["tool"] for one in told["questions"]}
    assert "expected a text" in session.refuse("search", text=" ")


@pytest.mark.parametrize("thing", ["Marshall Islands", "RMI", "id:marshall-islands", "marshall-islands"])
def test_a_thing_is_described_by_any_of_its_names(session: Session, thing: str) -> None:
    """Each statement of a claim leads to it; what is inferred says so."""
    told = session.tell("describe", thing=thing)
    assert told["iri"] == names.ID + "marshall-islands"
    assert told["kinds"] == ["state"]
    known = {one["claim"] for one in told["claims"]}
    stated = [one for one in told["statements"] if not one["is_inferred"]]
    assert stated and all(one["claims"] and set(one["claims"]) <= known for one in stated)
    pairs = [(one["heading"], str(one["value"])) for one in told["statements"]]
    assert len(pairs) == len(set(pairs))


def test_a_thing_with_much_said_of_it_comes_in_pages_and_says_where_it_is_cut(session: Session) -> None:
    """A document is named by each of its passages."""
    told = session.tell("describe", thing="Small States and the Multilateral System", page=2)
    assert (told["kinds"], told["page"], len(told["statements"])) == (["source document"], 2, 30)
    assert "1500 statements are read" in told["note"]


def test_what_is_not_there_is_not_described(session: Session) -> None:
    """The error names what is near."""
    assert "id:marshall-islands (Marshall Islands)" in session.refuse("describe", thing="Marshal Island")
    assert "no thing is called" in session.refuse("describe", thing="id:nobody-at-all")


def test_a_claim_has_its_receipt(session: Session, published: ox.Store) -> None:
    """What it says is its whole graph; where it stands is its evidence; a description of it says the same."""
    told = session.tell("receipt", claim="ipi-claim:0414")
    [claim] = told["claims"]
    assert claim["iri"] == names.CLAIM + "ipi-2024/0414"
    graph = ox.NamedNode(claim["iri"])
    assert len(claim["says"]) == len(list(published.quads_for_pattern(None, None, None, graph)))
    assert claim["passages"] and claim["curator"] and claim["curated_on"]
    described = session.tell("describe", thing="ipi-claim:0414")
    assert described["total_statements"] == len(claim["says"])


def test_a_statement_has_the_claims_that_state_it(session: Session) -> None:
    """Subject, predicate and object by name; two of the three are enough."""
    body = "Negotiations on the UN Convention on the Law of the Sea"
    told = session.tell("receipt", subject=body, predicate="chaired by", object="Singapore")
    assert [one["claim"] for one in told["claims"]] == ["ipi-claim:0414"]
    assert "note" not in told
    told = session.tell("receipt", subject=body, predicate="a", object="lat:Negotiation")
    assert "ipi-claim:0414" in {one["claim"] for one in told["claims"]}
    told = session.tell("receipt", subject=body, object="singapore")
    assert [one["claim"] for one in told["claims"]] == ["ipi-claim:0414"]


def test_a_statement_that_no_claim_makes_says_what_it_is(session: Session) -> None:
    """Inferred, or not there at all; what speaks of both ends is given as that."""
    body = "Negotiations on the UN Convention on the Law of the Sea"
    told = session.tell("receipt", subject="Singapore", object=body)
    assert told["note"].startswith("No claim states this: it is inferred.")
    assert "ipi-claim:0414" in {one["claim"] for one in told["claims"]}
    told = session.tell("receipt", subject="G20", predicate="a", object="lat:InformalForum")
    assert told["note"].startswith("No claim states this: it stands in ")
    told = session.tell("receipt", subject="Malta", predicate="chaired by", object="Singapore")
    assert (told["claims"], "does not hold this statement" in told["note"]) == ([], True)
    assert "two of subject, predicate and object" in session.refuse("receipt", subject="Malta")
    assert "no property is called" in session.refuse("receipt", subject="Malta", predicate="cheers for")


def test_sparql_answers_with_passages(session: Session) -> None:
    """Rows with their claims; a graph as Turtle; a truth value."""
    lat = "PREFIX lat: <https://w3id.org/lateral/ontology#>"
    told = session.tell("query", sparql=f"{lat} SELECT ?a ?b {{ ?a lat:chairedBy ?b }} ORDER BY ?a ?b")
    assert {row["basis"] for row in told["rows"]} == {"speaks"}
    assert len(told["rows"]) == told["total_rows"]
    assert session.tell("query", sparql="ASK { ?s ?p ?o }")["text"] == "true"
    graph = session.tell("query", sparql=f"{lat} CONSTRUCT WHERE {{ ?a lat:chairedBy ?b }}")["text"]
    assert "lat:chairedBy" in graph


def test_a_query_that_is_wrong_is_refused_with_its_place(session: Session) -> None:
    """Syntax with line and column; updates not at all."""
    assert "Line 1, column 1: 'SELEC' is not the start" in session.refuse("query", sparql="SELEC ?a")
    assert "Updates are not taken" in session.refuse("query", sparql="DROP ALL")
    assert "SERVICE is refused" in session.refuse("query", sparql="ASK { SERVICE <http://a.example/> { } }")


def test_an_answer_that_no_model_could_read_is_refused(session: Session) -> None:
    """5 MB at most, and a graph is cut where it is long."""
    assert "Add LIMIT" in session.refuse("query", sparql="SELECT ?s ?p ?o ?g { GRAPH ?g { ?s ?p ?o } }")
    lat = "PREFIX lat: <https://w3id.org/lateral/ontology#>"
    graph = session.tell("query", sparql=f"{lat} CONSTRUCT {{ ?s ?p ?o }} {{ ?s a lat:Mediation ; ?p ?o }}")
    assert "lat:Mediation" in graph["text"]
    graph = session.tell("query", sparql=f"{lat} CONSTRUCT {{ ?s ?p ?o }} {{ ?s a lat:Passage ; ?p ?o }}")
    assert "characters in all; ask for less" in graph["text"]
    assert len(graph["text"]) < 21_000


def test_a_runaway_query_ends_at_its_limit_and_others_do_not_notice(session: Session) -> None:
    """The deadline is named; the next call is answered."""
    started = time.monotonic()
    said = session.refuse("query", sparql=RUNAWAY)
    assert "The query took too long" in said
    assert "2 s" in said
    assert time.monotonic() - started < 6
    assert session.tell("query", sparql="ASK { ?s ?p ?o }")["text"] == "true"


def test_lists_can_be_read(session: Session) -> None:
    """Questions, terms, documents and each document's sections; another address is refused."""
    listed = {one.uri for one in session.run(session.client.list_resources).resources}
    assert {"lateral://questions", "lateral://ontology", "lateral://documents/wef-2026"} <= listed
    read = {
        uri: session.run(lambda one=uri: session.client.read_resource(one)).contents[0].text for uri in listed
    }
    assert "lat:Mediation" in read["lateral://ontology"]
    assert read["lateral://questions"].count("\n") == len(TEMPLATES) + 1
    assert "What is ‘minilateralism’" in read["lateral://documents"]
    assert "Summary points" in read["lateral://documents/wef-2026"]
    with pytest.raises(MCPError, match="nothing is at lateral://nowhere"):
        session.run(lambda: session.client.read_resource("lateral://nowhere"))


def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(session: Session) -> None:
    """It is no result, since nothing ran."""
    with pytest.raises(MCPError, match="no tool 'ask_nothing'"):
        session.call("ask_nothing")


HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def children(process: int) -> list[int]:
    """Return the processes that a process started."""
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_running(process: int) -> bool:
    """Say whether a process is there and no zombie."""
    path = Path(f"/proc/{process}/stat")
    return path.exists() and path.read_text().rpartition(")")[2].split()[0] != "Z"


@contextmanager
def start(root: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a server over the small project, to be talked to by hand."""
    variables = environment(KG_DOCUMENTS="documents")
    with subprocess.Popen(
        command(root, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=variables,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_server_that_is_left_leaves_nothing(served: Settings) -> None:
    """Exit 0 when its input closes or at a signal, and no worker; it printed nothing but its answers."""
    leave: list[Callable[[subprocess.Popen[str]], object]] = [
        lambda one: one.stdin and one.stdin.close(),
        lambda one: one.send_signal(signal.SIGTERM),
        lambda one: one.send_signal(signal.SIGINT),
    ]
    with ExitStack() as stack:
        started = [stack.enter_context(start(served.root)) for _ in leave]
        workers = [worker for one in started for worker in greet(one)]
        assert len(workers) >= len(started)
        for one, way in zip(started, leave, strict=True):
            way(one)
            assert one.wait(timeout=5) == 0
            assert one.stdout and one.stdout.read() == ""
        deadline = time.monotonic() + 3
        while any(map(is_running, workers)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [one for one in workers if is_running(one)] == []


def greet(process: subprocess.Popen[str]) -> list[int]:
    """Shake hands with a server; return its workers."""
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(HELLO) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert answer["result"]["serverInfo"]["name"] == "lateral"
    return children(process.pid)


@pytest.fixture(scope="module")
def address(served: Settings) -> Iterator[str]:
    """Start a server over HTTP, with few tools, and return its address."""
    with start(served.root, "--http", "--port", "0", "--tools", "few") as process:
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:\d+/mcp", process.stdout.readline())
        assert found
        yield found.group()
        workers = children(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        assert workers and not any(map(is_running, workers))


def test_few_tools_ask_every_question(address: str) -> None:
    """Two tools stand in for one per question; over HTTP the answer is the same."""
    with Connection(Client(address, read_timeout_seconds=20)) as few:
        listed = {one.name for one in few.run(few.client.list_tools).tools}
        assert listed == {"search", "describe", "receipt", "query", "list_questions", "ask"}
        [question] = few.tell("list_questions")["questions"]
        assert question["template"] == "meetings/chairs"
        told = few.tell("ask", question="meetings/chairs", values={"actor": "Anna Teller"})
        assert [row["claims"] for row in told["rows"]] == [["demo-claim:0002"]]
        assert "meetings/chairs" in few.refuse("ask", question="meetings/chair")
        assert "expected an object" in few.refuse("ask", question="meetings/chairs", values="Anna")
        assert "expected one of meetings" in few.refuse("list_questions", topic="matings")


def test_http_is_for_this_machine_only(address: str) -> None:
    """A page that gave a name of its own to this machine gets nothing, nor one from elsewhere."""
    headers = {"accept": "application/json, text/event-stream"}
    answers = [
        httpx.post(address, json=HELLO, headers=headers | more, trust_env=False).status_code
        for more in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {})
    ]
    assert answers == [421, 403, 200]


def test_without_the_sdk_it_says_what_to_install() -> None:
    """Exit 3 and the command, before anything is built."""
    script = "import sys; sys.modules['mcp'] = None; from kg.cli import main; main(['mcp'])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment(), timeout=20
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "pip install 'lateral-kg[mcp]'" in done.stderr


def test_a_port_without_http_is_wrong_usage() -> None:
    """Over standard input there is no port."""
    done = subprocess.run(
        [sys.executable, "-m", "kg", "mcp", "--port", "1"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=20,
    )
    assert done.returncode == 2
    assert "--port goes with --http" in done.stderr


PAGE = ROOT / "docs" / "mcp.md"
CALLED = re.compile(r"```json\n(?P<call>\{\"name\"[^\n]*)\n```\n\n```text\n(?P<answer>.*?)```", re.DOTALL)


def test_the_session_of_the_documentation_is_current(session: Session) -> None:
    """Each call of docs/mcp.md gives the answer that stands below it; WRITE_DOCS=1 writes it anew."""

    def answer(found: re.Match[str]) -> str:
        call = json.loads(found["call"])
        said = re.sub(r"\n\nVersion \S+\Z", "", text(session.call(call["name"], **call["arguments"])))
        return f"```json\n{found['call']}\n```\n\n```text\n{said}\n```"

    written = PAGE.read_text(encoding="utf-8")
    current = CALLED.sub(answer, written)
    if "WRITE_DOCS" in os.environ:
        PAGE.write_text(current, encoding="utf-8")
    assert len(CALLED.findall(written)) == 5
    assert "WRITE_DOCS" in os.environ or written == current
