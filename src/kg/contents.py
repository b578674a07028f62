"""
Contents: what is known of one version: labels, search, sizes; read once, by SPARQL, by whoever answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kg import names
from kg.engine import Answer, QueryRequest
from kg.names import Prefixes
from kg.search import Index, Match
from kg.templates import Parameter, Resolve, Template, resolver

_MAX_LABELS = 300_000
_MAX_SEARCH = 200
_MAX_FOUND = 40
QUESTION = "question"
# Vocabularies whose terms are English words; they carry no labels here.
_WORDED = frozenset({"cito", "dcterms", "foaf", "oa", "org", "owl", "prov", "rdf", "rdfs", "schema", "skos"})

_LABELS = """
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
SELECT ?iri ?label ?alias
WHERE {
  { ?iri rdfs:label ?label . BIND(0 AS ?alias) }
  UNION { ?iri skos:prefLabel ?label . BIND(0 AS ?alias) }
  UNION { ?iri skos:altLabel ?label . BIND(1 AS ?alias) }
}
ORDER BY ?iri ?alias ?label
"""
_KINDS = """
SELECT DISTINCT ?iri ?kind
WHERE { GRAPH ?graph { ?iri a ?kind } FILTER(?graph NOT IN (<%s>, <%s>, <%s>, <%s>)) }
""" % (names.INFERRED_GRAPH, names.SHAPES_GRAPH, names.VOID_GRAPH, names.EXAMPLES_GRAPH)  # noqa: UP031
_SIZES = """
SELECT ?graph (COUNT(*) AS ?triples)
WHERE { GRAPH ?graph { ?s ?p ?o } }
GROUP BY ?graph
"""
_INVERSES = """
PREFIX owl: <http://www.w3.org/2002/07/owl#>
SELECT DISTINCT ?one ?other WHERE { ?one owl:inverseOf ?other FILTER(isIRI(?one) && isIRI(?other)) }
"""


class Runner(Protocol):
    """What runs queries: the engine, or a stand-in for it."""

    async def query(self, request: QueryRequest) -> Answer:
        """Run one query."""
        ...


@dataclass(frozen=True, slots=True)
class Term:
    """One RDF term of a result; `kind` is `uri`, `literal` or `bnode`."""

    kind: str
    value: str
    datatype: str | None = None
    language: str | None = None

    @property
    def is_iri(self) -> bool:
        """Say whether the term is an IRI."""
        return self.kind == "uri"


Row = Mapping[str, Term]


def parse_rows(body: bytes) -> list[Row]:
    """
    Read the rows of a SPARQL result in JSON.

    Source: SPARQL 1.1 Query Results JSON Format, section 3.2.2.
    """
    bindings = json.loads(body)["results"]["bindings"]
    return [{name: _parse_term(value) for name, value in one.items()} for one in bindings]


def _parse_term(value: Mapping[str, Any]) -> Term:
    return Term(str(value["type"]), str(value["value"]), value.get("datatype"), value.get("xml:lang"))


async def select(engine: Runner, query: str) -> list[Row]:
    """Run a SELECT of our own and return its rows."""
    answer = await engine.query(QueryRequest(query=query, format="json"))
    return parse_rows(answer.body)


@dataclass
class Contents:
    """What one version holds, as pages and clients need it."""

    version: str
    prefixes: Prefixes
    labels: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    inverses: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    index: Index = field(default_factory=lambda: Index.from_rows([]))
    _members: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    async def load(
        cls, engine: Runner, *, version: str, prefixes: Prefixes, templates: Mapping[str, Template]
    ) -> Contents:
        """Read labels, kinds and sizes of the version that the engine serves."""
        label_rows = await select(engine, f"{_LABELS} LIMIT {_MAX_LABELS}")
        kinds: dict[str, str] = {}
        for row in await select(engine, f"{_KINDS} LIMIT {_MAX_LABELS}"):
            iri, kind = row["iri"].value, row["kind"].value
            if iri not in kinds or kind.startswith(names.LAT):
                kinds[iri] = kind
        sizes = {row["graph"].value: int(row["triples"].value) for row in await select(engine, _SIZES)}
        inverses = {row["one"].value: row["other"].value for row in await select(engine, _INVERSES)}
        inverses |= {other: one for one, other in inverses.items() if other not in inverses}
        labels = _choose_labels(label_rows)
        return cls(
            version=version,
            prefixes=prefixes,
            labels=labels,
            kinds=kinds,
            sizes=sizes,
            inverses=inverses,
            templates=templates,
            index=Index.from_rows(_index_rows(label_rows, kinds, templates)),
        )

    def label(self, iri: str) -> str:
        """Return the label of an IRI, or the shortest way to write the IRI."""
        if iri in self.labels:
            return self.labels[iri]
        for space, word in ((names.CLAIM, "Claim"), (names.PASSAGE, "Passage"), (names.GRAPH, "Graph")):
            if iri.startswith(space):
                return f"{word} {iri[len(space) :]}"
        prefix, _, local = self.prefixes.compress(iri).partition(":")
        if prefix in _WORDED and local and "/" not in local:
            return re.sub(r"(?<=[a-z0-9])([A-Z])", r" \1", local).lower()
        return self.prefixes.compress(iri)

    def kind_label(self, iri: str) -> str:
        """Return what kind of thing an IRI is, in words; empty where that is not known."""
        return self.label(self.kinds[iri]) if iri in self.kinds else ""

    async def members(self, engine: Runner, parameter: Parameter) -> frozenset[str] | None:
        """Return the IRIs that a parameter takes, or None where any IRI will do."""
        if parameter.scheme:
            space = f"{names.CONCEPT}{parameter.scheme}/"
            return frozenset(iri for iri in self.kinds if iri.startswith(space))
        if not parameter.class_iri:
            return None
        if parameter.class_iri not in self._members:
            rows = await select(engine, f"SELECT DISTINCT ?iri WHERE {{ ?iri a <{parameter.class_iri}> }}")
            self._members[parameter.class_iri] = frozenset(row["iri"].value for row in rows)
        return self._members[parameter.class_iri]

    async def resolver(self, engine: Runner, template: Template) -> Resolve:
        """Make what turns typed names into the IRIs that a template's parameters take."""
        members = {one.name: await self.members(engine, one) for one in template.parameters.values()}

        def find(text: str, among: Any) -> list[tuple[str, str, float]]:
            return [(one.iri, one.label, one.score) for one in self.index.find(text, among=among, limit=8)]

        return resolver(self.prefixes, members=lambda one: members[one.name], find=find)

    def search(self, text: str) -> dict[str, list[Match]]:
        """Find things, concepts and questions by name: each group best first."""
        groups: dict[str, list[Match]] = {"things": [], "concepts": [], "questions": []}
        for one in self.index.find(text[:_MAX_SEARCH], limit=_MAX_FOUND):
            is_concept = one.iri.startswith((names.CONCEPT, names.LAT))
            group = "questions" if one.kind == QUESTION else "concepts" if is_concept else "things"
            groups[group].append(one)
        return groups

    def near(self, text: str, limit: int = 5) -> list[str]:
        """List the IRIs whose labels are near a text."""
        return [one.iri for one in self.index.find(text, limit=limit + 3) if one.kind != QUESTION][:limit]

    def count(self, space: str) -> int:
        """Count the typed things whose IRI is in a namespace."""
        return sum(1 for iri in self.kinds if iri.startswith(space))


def _choose_labels(rows: Iterable[Row]) -> dict[str, str]:
    """Take one preferred label per IRI: the English one, else the first."""
    chosen: dict[str, tuple[bool, str]] = {}
    for row in rows:
        iri, label = row["iri"].value, row["label"]
        is_english = (label.language or "en").startswith("en")
        if row["alias"].value == "0" and (iri not in chosen or (is_english and not chosen[iri][0])):
            chosen[iri] = (is_english, label.value)
    return {iri: text for iri, (_, text) in chosen.items()}


def _index_rows(
    rows: Iterable[Row], kinds: Mapping[str, str], templates: Mapping[str, Template]
) -> Iterable[tuple[str, str, str, bool]]:
    """List what can be searched for: named things of ours, and questions."""
    for row in rows:
        iri = row["iri"].value
        if iri.startswith(names.BASE):
            yield iri, row["label"].value, kinds.get(iri, ""), row["alias"].value == "1"
    for key, template in templates.items():
        yield key, template.sentence(), QUESTION, False
        yield key, template.title, QUESTION, True
