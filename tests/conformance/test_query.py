"""
The W3C's SPARQL 1.0 and 1.1 tests of query, syntax and result formats, over HTTP against the started service.

Every file of data is a named graph of one store; each test names its dataset by the protocol's parameters.
What fails is listed by name with its reason in `failures.yaml`, which is compared exactly.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pyoxigraph as ox
import pytest
import yaml

Term = tuple[str, ...]
Row = dict[str, Term]
Node = ox.NamedNode | ox.BlankNode | ox.Literal
FAILURES = Path(__file__).with_name("failures.yaml")
BASE = "http://conformance.example/"
EMPTY = BASE + "empty"
MF = "http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#"
QT = "http://www.w3.org/2001/sw/DataAccess/tests/test-query#"
RS = "http://www.w3.org/2001/sw/DataAccess/tests/result-set#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XSD = "http://www.w3.org/2001/XMLSchema#"
SRX = "{http://www.w3.org/2005/sparql-results#}"
SYNTAX = {"PositiveSyntaxTest": 200, "PositiveSyntaxTest11": 200}
SYNTAX |= {"NegativeSyntaxTest": 400, "NegativeSyntaxTest11": 400}
EVALUATION = ("QueryEvaluationTest", "CSVResultFormatTest")
COUNTS = {"sparql10": 482, "sparql11": 338}
FEDERATION = "sparql11/service"
# Run by test_update.py.
UPDATE_FOLDERS = (
    *("add", "basic-update", "clear", "copy", "delete", "delete-data", "delete-insert", "delete-where"),
    *("drop", "move", "syntax-update-1", "syntax-update-2", "update-silent"),
)
PARSERS = {".ttl": ox.RdfFormat.TURTLE, ".rdf": ox.RdfFormat.RDF_XML, ".nt": ox.RdfFormat.N_TRIPLES}
EXACT = re.compile(r"decimal|(\w*[iI]nteger|(unsigned)?([lL]ong|[iI]nt|[sS]hort|[bB]yte))\Z")


@dataclass(frozen=True)
class Case:
    """One test of a manifest; files are named from the folder of the suite."""

    name: str
    kind: str
    query: str
    data: tuple[str, ...] = ()
    graphs: tuple[str, ...] = ()
    result: str = ""
    is_lax: bool = False


@dataclass(frozen=True)
class Answer:
    """A boolean, or rows (with their order, if it counts), or a graph."""

    boolean: bool | None = None
    columns: frozenset[str] = frozenset()
    rows: tuple[Row, ...] = ()
    is_ordered: bool = False
    graph: frozenset[ox.Quad] | None = None


class Manifest:
    """The triples of one manifest."""

    def __init__(self, path: Path, suite: Path) -> None:
        self.folder = path.parent.relative_to(suite).as_posix()
        self.triples = list(parse_graph(path, suite))

    def objects(self, subject: object, predicate: str) -> list[Node]:
        """List the objects of a subject."""
        found = (q.object for q in self.triples if q.subject == subject and q.predicate.value == predicate)
        return [one for one in found if not isinstance(one, ox.Triple)]

    def files(self, subject: object, predicate: str) -> tuple[str, ...]:
        """List the files that a subject names."""
        return tuple(one.value.removeprefix(BASE) for one in self.objects(subject, predicate))

    def cases(self) -> Iterator[Case]:
        """Yield the tests in the order of the list of entries."""
        (top,) = (q.subject for q in self.triples if q.predicate.value == MF + "entries")
        (node,) = self.objects(top, MF + "entries")
        while node.value != RDF + "nil":
            (entry,) = self.objects(node, RDF + "first")
            (node,) = self.objects(node, RDF + "rest")
            yield self._case(entry)

    def _case(self, entry: Node) -> Case:
        (kind,) = (one.value.removeprefix(MF) for one in self.objects(entry, RDF + "type"))
        (action,) = self.objects(entry, MF + "action")
        name = f"{self.folder}#{entry.value.partition('#')[2]}"
        if isinstance(action, ox.NamedNode):
            return Case(name, kind, action.value.removeprefix(BASE))
        return Case(
            name,
            kind,
            self.files(action, QT + "query")[0],
            self.files(action, QT + "data"),
            self.files(action, QT + "graphData"),
            next(iter(self.files(entry, MF + "result")), ""),
            bool(self.objects(entry, MF + "resultCardinality")),
        )


def parse_graph(path: Path, suite: Path, *, rename: bool = False) -> Iterator[ox.Quad]:
    """Parse a file of the suite, with its own address as the base."""
    base = BASE + path.relative_to(suite).as_posix()
    return iter(ox.parse(path.read_bytes(), PARSERS[path.suffix], base_iri=base, rename_blank_nodes=rename))


def read_manifests(suite: Path, version: str) -> list[Case]:
    """Read the tests of query, syntax and formats of one version of SPARQL."""
    tops = ["manifest.ttl"]
    if version == "sparql11":
        tops = ["manifest-sparql11-query.ttl", "manifest-sparql11-results.ttl"]
    pattern = re.compile(r"<([\w-]+/manifest\.ttl)>")
    found = [one for top in tops for one in pattern.findall((suite / version / top).read_text())]
    return [
        case
        for one in dict.fromkeys(found)
        for case in Manifest(suite / version / one, suite).cases()
        if case.kind in SYNTAX or case.kind in EVALUATION
    ]


def load_data(suite: Path) -> bytes:
    """Write every file that a query may name as a named graph, as N-Quads."""
    quads: list[ox.Quad] = []
    for version in COUNTS:
        folders = {case.query.rpartition("/")[0] for case in read_manifests(suite, version)}
        for path in sorted((suite / version).rglob("*")):
            if path.suffix in PARSERS and path.parent.relative_to(suite).as_posix() in folders:
                graph = ox.NamedNode(BASE + path.relative_to(suite).as_posix())
                triples = parse_graph(path, suite, rename=True)
                quads += [ox.Quad(q.subject, q.predicate, q.object, graph) for q in triples]
    return ox.serialize(quads, format=ox.RdfFormat.N_QUADS) or b""


# Reading answers, independently of the library that writes them.


def read_answer(body: bytes, suffix: str) -> Answer:
    """Read rows or a boolean in one of the result formats."""
    return {".srj": read_json, ".srx": read_xml, ".tsv": read_tsv, ".csv": read_csv}[suffix](body)


def read_json(body: bytes) -> Answer:
    """Read SPARQL 1.1 Query Results JSON."""
    document = json.loads(body)
    if "boolean" in document:
        return Answer(boolean=document["boolean"])
    rows = [{k: _json_term(v) for k, v in one.items()} for one in document["results"]["bindings"]]
    return Answer(columns=frozenset(document["head"]["vars"]), rows=tuple(rows))


def _json_term(cell: dict[str, str]) -> Term:
    if cell["type"] == "uri":
        return ("iri", cell["value"])
    if cell["type"] == "bnode":
        return ("blank", cell["value"])
    return _literal(cell["value"], cell.get("datatype", ""), cell.get("xml:lang", ""))


def _literal(value: str, datatype: str, language: str) -> Term:
    plain = RDF + "langString" if language else XSD + "string"
    return ("literal", value, datatype or plain, language.lower())


def read_xml(body: bytes) -> Answer:
    """Read SPARQL Query Results XML."""
    root = ElementTree.fromstring(body)
    boolean = root.find(SRX + "boolean")
    if boolean is not None:
        return Answer(boolean=(boolean.text or "").strip() == "true")
    columns = frozenset(one.attrib["name"] for one in root.iter(SRX + "variable"))
    rows = [
        {one.attrib["name"]: _xml_term(one[0]) for one in result.iter(SRX + "binding")}
        for result in root.iter(SRX + "result")
    ]
    return Answer(columns=columns, rows=tuple(rows))


def _xml_term(cell: ElementTree.Element) -> Term:
    text, kind = cell.text or "", cell.tag.removeprefix(SRX)
    if kind == "literal":
        language = cell.get("{http://www.w3.org/XML/1998/namespace}lang", "")
        return _literal(text, cell.get("datatype", ""), language)
    return ("iri" if kind == "uri" else "blank", text.strip())


def read_tsv(body: bytes) -> Answer:
    """Read SPARQL 1.1 Query Results TSV: names with `?`, terms in Turtle."""
    head, *lines = body.decode().removesuffix("\n").split("\n")
    names = head.split("\t")
    assert all(one.startswith("?") for one in names)
    rows = [
        {name[1:]: _turtle_term(cell) for name, cell in zip(names, line.split("\t"), strict=True) if cell}
        for line in lines
    ]
    return Answer(columns=frozenset(one[1:] for one in names), rows=tuple(rows))


def _turtle_term(cell: str) -> Term:
    if match := re.fullmatch(r"<(.*)>", cell):
        return ("iri", match[1])
    if cell.startswith("_:"):
        return ("blank", cell[2:])
    if match := re.fullmatch(r'"((?:[^"\\]|\\.)*)"(?:@([\w-]+)|\^\^<(.*)>)?', cell):
        escapes = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f"}
        text = re.sub(r"\\(.)", lambda one: escapes.get(one[1], one[1]), match[1])
        return _literal(text, match[3] or "", match[2] or "")
    kinds = {r"true|false": "boolean", r"[+-]?\d+": "integer", r"[+-]?\d*\.\d+": "decimal"}
    kinds[r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+"] = "double"
    (kind,) = (kind for pattern, kind in kinds.items() if re.fullmatch(pattern, cell))
    return _literal(cell, XSD + kind, "")


def read_csv(body: bytes) -> Answer:
    """Read SPARQL 1.1 Query Results CSV, as bytes demand: CRLF, plain values; a blank node by its `_:`."""
    assert body.endswith(b"\r\n") and b"\n" not in body.replace(b"\r\n", b"")
    head, *lines = body.decode().removesuffix("\r\n").split("\r\n")
    names = head.split(",")
    rows: list[Row] = []
    for line in lines:
        cells = [one[1:] for one in re.findall(r',(?:"(?:[^"]|"")*"|[^",]*)', "," + line)]
        plain = [one[1:-1].replace('""', '"') if one.startswith('"') else one for one in cells]
        rows.append({k: _csv_term(v) for k, v in zip(names, plain, strict=True)})
    return Answer(columns=frozenset(names), rows=tuple(rows))


def _csv_term(cell: str) -> Term:
    return ("blank", cell[2:]) if cell.startswith("_:") else ("plain", cell)


def read_result_set(quads: Sequence[ox.Quad]) -> Answer:
    """Read the result-set vocabulary of SPARQL 1.0's tests."""
    by_subject: dict[object, dict[str, list[Node]]] = {}
    for quad in quads:
        assert not isinstance(quad.object, ox.Triple)
        by_subject.setdefault(quad.subject, {}).setdefault(quad.predicate.value, []).append(quad.object)
    (top,) = (
        one
        for one in by_subject.values()
        if any(kind.value == RS + "ResultSet" for kind in one.get(RDF + "type", []))
    )
    if RS + "boolean" in top:
        return Answer(boolean=top[RS + "boolean"][0].value == "true")
    rows: list[tuple[int, Row]] = []
    for solution in top.get(RS + "solution", []):
        held = by_subject.get(solution, {})
        bindings = [by_subject[one] for one in held.get(RS + "binding", [])]
        row = {one[RS + "variable"][0].value: term_of(one[RS + "value"][0]) for one in bindings}
        rows.append((int(held[RS + "index"][0].value) if RS + "index" in held else 0, row))
    columns = frozenset(one.value for one in top.get(RS + "resultVariable", []))
    rows.sort(key=lambda one: one[0])
    return Answer(None, columns, tuple(row for _, row in rows), any(number for number, _ in rows))


def term_of(term: object) -> Term:
    """Turn a parsed term into ours."""
    if isinstance(term, ox.NamedNode):
        return ("iri", term.value)
    if isinstance(term, ox.BlankNode):
        return ("blank", term.value)
    assert isinstance(term, ox.Literal)
    return _literal(term.value, term.datatype.value, term.language or "")


# Comparing.


def value_of(term: Term) -> Term:
    """Replace a number's, boolean's or date's spelling by its value."""
    if term[0] != "literal" or not term[2].startswith(XSD):
        return term
    kind, text = term[2].removeprefix(XSD), term[1]
    try:
        if EXACT.match(kind):
            text = str(Decimal(text).normalize() + 0)
        elif kind in ("double", "float"):
            text = repr(float(text))
        elif kind == "boolean":
            text = {"1": "true", "0": "false"}.get(text, text)
    except (ArithmeticError, ValueError):
        return term
    return (term[0], text, *term[2:])


def is_same(one: Answer, other: Answer, *, ordered: bool, lax: bool) -> bool:
    """Compare two answers: booleans, graphs up to blank nodes, rows as bags or lists up to blank nodes."""
    if one.graph is not None or other.graph is not None:
        return canonical(one.graph or ()) == canonical(other.graph or ())
    if one.boolean != other.boolean or one.columns != other.columns:
        return False
    if lax:
        return len(one.rows) <= len(other.rows) and _is_bag(unique(one.rows), unique(other.rows))
    if len(one.rows) != len(other.rows):
        return False
    if ordered:
        return _match(list(one.rows), list(other.rows), {}, ordered=True)
    return _is_bag(one.rows, other.rows)


def canonical(graph: Sequence[ox.Quad] | frozenset[ox.Quad]) -> ox.Dataset:
    """Name the blank nodes of a graph by what is said of them."""
    dataset = ox.Dataset(graph)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return dataset


def unique(rows: Sequence[Row]) -> list[Row]:
    """Drop rows that are there already."""
    return [row for number, row in enumerate(rows) if row not in rows[:number]]


def _is_bag(ours: Sequence[Row], theirs: Sequence[Row]) -> bool:
    def shape(row: Row) -> frozenset[tuple[str, Term]]:
        return frozenset((k, ("blank",) if v[0] == "blank" else v) for k, v in row.items())

    if Counter(map(shape, ours)) != Counter(map(shape, theirs)):
        return False
    return _match(list(ours), list(theirs), {}, ordered=False)


def _match(ours: list[Row], theirs: list[Row], pairs: dict[str, str], *, ordered: bool) -> bool:
    """Find a renaming of blank nodes under which the rows are the same."""
    if not ours:
        return True
    for number, row in enumerate(theirs[:1] if ordered else theirs):
        renamed = _rename(ours[0], row, pairs)
        if renamed is not None:
            rest = theirs[:number] + theirs[number + 1 :]
            if _match(ours[1:], rest, renamed, ordered=ordered):
                return True
            if renamed == pairs:
                return False
    return False


def _rename(one: Row, other: Row, pairs: dict[str, str]) -> dict[str, str] | None:
    if one.keys() != other.keys():
        return None
    pairs = dict(pairs)
    for name, term in one.items():
        if term[0] != "blank" or other[name][0] != "blank":
            if term != other[name]:
                return None
        elif pairs.setdefault(term[1], other[name][1]) != other[name][1]:
            return None
    return pairs if len(set(pairs.values())) == len(pairs) else None


def by_value(answer: Answer) -> Answer:
    """Return an answer with values for spellings."""
    rows = tuple({k: value_of(v) for k, v in row.items()} for row in answer.rows)
    graph = None if answer.graph is None else frozenset(_quad_by_value(one) for one in answer.graph)
    return Answer(answer.boolean, answer.columns, rows, answer.is_ordered, graph)


def _quad_by_value(quad: ox.Quad) -> ox.Quad:
    if not isinstance(quad.object, ox.Literal) or quad.object.language:
        return quad
    _, text, kind, _ = value_of(term_of(quad.object))
    return ox.Quad(quad.subject, quad.predicate, ox.Literal(text, datatype=ox.NamedNode(kind)))


# Running.


def run(client: httpx.Client, suite: Path, case: Case) -> str:
    """Run one test and say how it ended: "" is passed, "value" is right but for the spelling of values."""
    text = (suite / case.query).read_bytes().decode()
    if case.kind in SYNTAX:
        answer = ask(client, text, {"default-graph-uri": EMPTY})
        return "" if answer.status_code == SYNTAX[case.kind] else f"status {answer.status_code}"
    datasets: dict[str, list[str]] = {}
    if not re.search(r"\bFROM\s+(NAMED\s+)?<", text, re.IGNORECASE):
        datasets["default-graph-uri"] = [BASE + one for one in case.data] or [EMPTY]
        datasets["named-graph-uri"] = [BASE + one for one in case.graphs]
    suffix = Path(case.result).suffix
    accept = {".csv": "text/csv", ".tsv": "text/tab-separated-values"}.get(suffix)
    accept = accept or {".srx": "application/sparql-results+xml"}.get(suffix)
    answer = ask(client, f"BASE <{BASE}{case.query}>\n{text}", datasets, accept)
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    ours, theirs = read_ours(answer), read_theirs(suite, case)
    is_ordered = theirs.is_ordered or bool(re.search(r"\bORDER\s+BY\b", text, re.IGNORECASE))
    how = {"ordered": is_ordered, "lax": case.is_lax}
    if is_same(ours, theirs, **how):
        return ""
    return "value" if is_same(by_value(ours), by_value(theirs), **how) else "answer"


def ask(
    client: httpx.Client,
    query: str,
    datasets: dict[str, list[str]] | dict[str, str],
    accept: str | None = None,
) -> httpx.Response:
    """Send a query in a form."""
    headers = {"Accept": accept} if accept else {}
    return client.post("/sparql", data={"query": query, **datasets}, headers=headers)


def read_ours(answer: httpx.Response) -> Answer:
    """Read what the service answered, by its media type."""
    kind = answer.headers["content-type"].split(";")[0]
    if kind == "text/turtle":
        return Answer(graph=frozenset(ox.parse(answer.content, ox.RdfFormat.TURTLE)))
    suffixes = {"text/csv": ".csv", "text/tab-separated-values": ".tsv"}
    suffixes |= {"application/sparql-results+xml": ".srx", "application/sparql-results+json": ".srj"}
    return read_answer(answer.content, suffixes[kind])


def read_theirs(suite: Path, case: Case) -> Answer:
    """Read what the test expects."""
    path = suite / case.result
    if path.suffix not in PARSERS:
        body = path.read_bytes()
        if path.suffix == ".csv":
            body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return read_answer(body, path.suffix)
    quads = list(parse_graph(path, suite))
    if any(one.object == ox.NamedNode(RS + "ResultSet") for one in quads):
        return read_result_set(quads)
    return Answer(graph=frozenset(quads))


@pytest.fixture(scope="module")
def client(
    serve_quads: Callable[[bytes], AbstractContextManager[httpx.Client]], suite: Path
) -> Iterator[httpx.Client]:
    """Serve the data of all tests."""
    with serve_quads(load_data(suite)) as started:
        yield started


def expected_failures(*starts: str) -> dict[str, str]:
    """Read the names that are listed and begin so, with how each ends."""
    groups = yaml.safe_load(FAILURES.read_text(encoding="utf-8"))
    assert all(group["reason"] for group in groups)
    named = [(name, outcome) for group in groups for name, outcome in group["tests"].items()]
    assert len(dict(named)) == len(named)
    return {name: outcome for name, outcome in named if name.startswith(starts)}


@pytest.mark.parametrize("version", COUNTS)
def test_w3c_tests_end_as_listed(client: httpx.Client, suite: Path, version: str) -> None:
    """All pass but those in `failures.yaml`; one that passes and is listed there fails."""
    cases = read_manifests(suite, version)
    outcomes = {case.name: run(client, suite, case) for case in cases}
    expected = expected_failures(f"{version}/")
    others = expected_failures(FEDERATION, *(f"sparql11/{one}#" for one in UPDATE_FOLDERS))
    assert {name: how for name, how in outcomes.items() if how} == {
        name: how for name, how in expected.items() if name not in others
    }
    assert len(outcomes) == COUNTS[version]


def read_services(suite: Path) -> tuple[list[Case], dict[str, dict[str, str]]]:
    """Read the tests of federation, and the file behind each endpoint of each."""
    manifest = Manifest(suite / FEDERATION / "manifest.ttl", suite)
    behind: dict[str, dict[str, str]] = {}
    for quad in manifest.triples:
        if quad.predicate.value == MF + "action":
            name = f"{FEDERATION}#{quad.subject.value.partition('#')[2]}"  # type: ignore[union-attr]
            behind[name] = {
                endpoint.value: manifest.files(service, QT + "data")[0]
                for service in manifest.objects(quad.object, QT + "serviceData")
                for endpoint in manifest.objects(service, QT + "endpoint")
            }
    return list(manifest.cases()), behind


def test_w3c_tests_of_federation_end_as_listed(
    serve_quads: Callable[..., AbstractContextManager[httpx.Client]], suite: Path
) -> None:
    """The endpoints of the tests are graphs of one service of ours here; the invalid one is a dead port."""
    cases, behind = read_services(suite)
    graphs = {one: ox.NamedNode(BASE + one) for files in behind.values() for one in files.values()}
    graphs |= {one: ox.NamedNode(BASE + one) for case in cases for one in case.data}
    quads = [
        ox.Quad(quad.subject, quad.predicate, quad.object, graph)
        for one, graph in graphs.items()
        for quad in parse_graph(suite / one, suite, rename=True)
    ]
    data = ox.serialize(quads, format=ox.RdfFormat.N_QUADS) or b""
    dead = "http://127.0.0.1:9/sparql"
    with serve_quads(data) as far:
        root = f"http://{far.base_url.netloc.decode()}/sparql?default-graph-uri="
        listed = " ".join([dead, *(f"{root}{graph.value}" for graph in graphs.values())])
        with serve_quads(data, services=listed) as near:
            outcomes = {}
            for case in cases:
                text = (suite / case.query).read_text().replace("http://invalid.endpoint.org/sparql", dead)
                for endpoint, one in behind[case.name].items():
                    text = text.replace(f"<{endpoint}>", f"<{root}{graphs[one].value}>")
                dataset = {"default-graph-uri": [BASE + one for one in case.data] or [EMPTY]}
                answer = ask(near, text, dataset)
                status = answer.status_code
                is_right = status == 200 and is_same(
                    read_ours(answer), read_theirs(suite, case), ordered=False, lax=False
                )
                outcomes[case.name] = "" if is_right else "answer" if status == 200 else f"status {status}"
    assert {name: how for name, how in outcomes.items() if how} == expected_failures(FEDERATION)
    assert len(outcomes) == 7
