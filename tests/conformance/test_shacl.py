"""
The W3C's tests of SHACL Core and SHACL-SPARQL, over HTTP through `/validate`.

Reports are compared by their results: focus, path, value, constraint component and severity of each. What
fails is listed by name with its reason in `failures.yaml`, which is compared exactly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest
import yaml

SUITE = Path(__file__).resolve().parents[3] / "shared" / "w3c" / "data-shapes" / "tests"
FAILURES = Path(__file__).with_name("failures.yaml")
SH = "http://www.w3.org/ns/shacl#"
SHT = "http://www.w3.org/ns/shacl-test#"
MF = "http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
COUNT = 121
FIELDS = ("focusNode", "resultPath", "value", "sourceConstraintComponent", "resultSeverity")
Node = ox.NamedNode | ox.BlankNode | ox.Literal
Results = Counter[tuple[str, ...]]


@dataclass(frozen=True)
class Case:
    """One test: the files of its data and shapes, and its expected results; None where it is to fail."""

    name: str
    data: Path
    shapes: Path
    results: Results | None


class Triples:
    """A small graph, asked by subject and predicate."""

    def __init__(self, content: bytes, kind: ox.RdfFormat, base: str | None = None) -> None:
        self.store = ox.Store()
        self.quads = list(ox.parse(content, format=kind, base_iri=base))

    def values(self, subject: object, predicate: str) -> list[Node]:
        """Return the values of a property."""
        return [
            one.object for one in self.quads if one.subject == subject and one.predicate.value == predicate
        ]

    def value(self, subject: object, predicate: str) -> Node | None:
        """Return the value of a property, if there is one."""
        return next(iter(self.values(subject, predicate)), None)

    def instances(self, kind: str) -> list[Node]:
        """Return the instances of a class."""
        return [
            one.subject
            for one in self.quads
            if one.predicate.value == RDF + "type" and one.object == ox.NamedNode(kind)
        ]

    def spell(self, node: Node | None, depth: int = 0) -> str:
        """Write a term; a blank node by what is said of it, so that paths compare."""
        if not isinstance(node, ox.BlankNode) or depth > 9:
            return str(node)
        said = [one for one in self.quads if one.subject == node and _is_path(one.predicate.value)]
        return (
            "["
            + ",".join(sorted(f"{one.predicate} {self.spell(one.object, depth + 1)}" for one in said))
            + "]"
        )

    def results(self, report: Node) -> Results:
        """Return the results of a report."""
        return Counter(
            tuple(self.spell(self.value(result, SH + field)) for field in FIELDS)
            for result in self.values(report, SH + "result")
        )


def _is_path(predicate: str) -> bool:
    return predicate in (RDF + "first", RDF + "rest") or predicate.endswith("Path")


def load(path: Path) -> Triples:
    """Read a file of the suite."""
    return Triples(path.read_bytes(), ox.RdfFormat.TURTLE, path.as_uri())


def cases() -> list[Case]:
    """Read every test of the suite."""
    found = []
    for path in sorted(SUITE.rglob("*.ttl")):
        graph = load(path)
        for test in graph.instances(SHT + "Validate"):
            action, result = graph.value(test, MF + "action"), graph.value(test, MF + "result")
            data, shapes = (
                Path(str(getattr(graph.value(action, SHT + one), "value", "")).removeprefix("file://"))
                for one in ("dataGraph", "shapesGraph")
            )
            is_failure = result == ox.NamedNode(SHT + "Failure") or result is None
            results = None if is_failure or result is None else graph.results(result)
            found.append(Case(f"shacl/{path.relative_to(SUITE).with_suffix('')}", data, shapes, results))
    return found


CASES = cases() if SUITE.is_dir() else []
pytestmark = pytest.mark.skipif(not CASES, reason="the W3C's tests are not in ../shared")


def flat(path: Path) -> bytes:
    """Return a file of the suite with whole IRIs, since what is sent has no address."""
    written = ox.serialize((one.triple for one in load(path).quads), format=ox.RdfFormat.N_TRIPLES)
    assert written is not None
    return written


def outcome(client: httpx.Client, case: Case) -> str | None:
    """Run a test, and say how it fails, if it does."""
    files = {
        "file": ("data.ttl", flat(case.data), "text/turtle"),
        "shapes": ("shapes.ttl", flat(case.shapes), "text/turtle"),
    }
    answer = client.post("/validate", files=files, headers={"Accept": "application/n-triples"})
    if case.results is None:
        return None if answer.status_code == 400 else f"status {answer.status_code}"
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    graph = Triples(answer.content, ox.RdfFormat.N_TRIPLES)
    (report,) = graph.instances(SH + "ValidationReport")
    conforms = graph.value(report, SH + "conforms")
    if conforms != ox.Literal(not case.results):
        return "conforms"
    return None if graph.results(report) == case.results else "results"


def listed() -> dict[str, str]:
    """Return the failures that are listed, of this suite."""
    entries = yaml.safe_load(FAILURES.read_text(encoding="utf-8"))
    every = {name: how for one in entries for name, how in one["tests"].items()}
    return {name: how for name, how in every.items() if name.startswith("shacl/")}


def test_every_test_of_shacl_passes_or_is_listed(client: httpx.Client) -> None:
    """Each report has the results that the W3C expects; exactly those that do not are listed."""
    assert len(CASES) == COUNT
    found = {case.name: how for case in CASES if (how := outcome(client, case)) is not None}
    assert found == listed()
