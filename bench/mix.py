"""
The mix: the queries that every engine is asked, and the values that they rotate through.

A query is written for a number: the same number gives the same text, the next one another value, so that no
cache of results helps a run that counts on. Aggregates over everything get another bound each time.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from bench.growth import respell, suffix
from kg.names import load_prefixes
from kg.templates import Template, load_templates

PREFIXES = """PREFIX graph: <https://w3id.org/lateral/graph/>
PREFIX lat: <https://w3id.org/lateral/ontology#>
PREFIX oa: <http://www.w3.org/ns/oa#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>
"""
_TURTLE = "text/turtle"
_JSON = "application/sparql-results+json"
_SOURCES = {
    "person": "SELECT DISTINCT ?x { ?x a lat:Person ; lat:involvedIn ?e . ?e rdfs:label ?l } ORDER BY ?x",
    "actor": "SELECT DISTINCT ?x { ?x a lat:Actor ; lat:involvedIn ?e } ORDER BY ?x",
    "chair": "SELECT DISTINCT ?x { ?b lat:chairedBy ?x } ORDER BY ?x",
    "mediator": "SELECT DISTINCT ?x { ?b lat:hasMediator ?x } ORDER BY ?x",
    "thing": "SELECT DISTINCT ?x { GRAPH graph:entities { ?x rdfs:label ?l } GRAPH ?g { ?x ?p ?o } ?g a lat:Claim } "
    "ORDER BY ?x",
    "whole": "SELECT DISTINCT ?x { ?x lat:hasPart ?y } ORDER BY ?x",
    "label": "SELECT DISTINCT (STR(?l) AS ?x) { GRAPH graph:entities { ?s a lat:Person ; rdfs:label ?l } } ORDER BY ?x",
}
_WORDS = ("council", "treaty", "mediation", "climate", "declaration", "states", "conference", "report")


@dataclass(frozen=True, slots=True)
class Question:
    """
    One query of the mix.

    Args:
        name: In a word or two.
        write: The text for a number.
        accept: The media type to ask for.
    """

    name: str
    write: Callable[[int], str]
    accept: str = _JSON


class Values:
    """
    Values from the graph as it is, and from its copies.

    Args:
        source: The N-Quads file of the graph as it is.
        copies: How many copies the engines hold.
    """

    def __init__(self, source: Path, copies: int) -> None:
        self.copies = copies
        store = ox.Store()
        store.bulk_load(path=str(source), format=ox.RdfFormat.N_QUADS)
        self._pools = {name: _column(store, query) for name, query in _SOURCES.items()}

    def iri(self, pool: str, number: int) -> str:
        """Return the IRI of an entity of one kind."""
        value, copy = self._pick(pool, number)
        return f"<{value}{suffix(copy)}>"

    def label(self, number: int) -> str:
        """Return a person's name."""
        value, copy = self._pick("label", number)
        return respell(value, copy)

    def word(self, number: int) -> str:
        """Return a part of a name, in lower case."""
        names = re.findall(r"\w{5,}", self.label(number))
        return names[-1].lower() if names else "singapore"

    def _pick(self, pool: str, number: int) -> tuple[str, int]:
        values = self._pools[pool]
        return values[number % len(values)], number * 7 % self.copies


def make_mix(root: Path, values: Values) -> list[Question]:
    """List the queries of the mix."""
    prefixes = load_prefixes(root / "ontology" / "prefixes.ttl")
    templates = load_templates(root, prefixes)
    return [*_templates(templates, values), *_plain(values), *_whole()]


def rotated(question: Question, start: int, count: int) -> list[str]:
    """Write a query for so many numbers in turn, each text unlike every other."""
    numbers = itertools.islice(itertools.count(start), count)
    return [f"{question.write(number)}# {number}\n" for number in numbers]


def _templates(templates: Mapping[str, Template], values: Values) -> list[Question]:
    def bound(key: str, name: str, pool: str) -> Callable[[int], str]:
        def write(number: int) -> str:
            text = templates[key].bind({name: values.iri(pool, number)[1:-1]})
            return text[text.index("PREFIX") :]

        return write

    wanted = [
        ("actor's record", "actors/record", "actor", "actor"),
        ("chairs", "actors/who-chaired", "actor", "chair"),
        ("mediators", "actors/mediators", "mediator", "mediator"),
        ("receipts", "evidence/receipts", "thing", "thing"),
    ]
    return [Question(name, bound(key, parameter, pool)) for name, key, parameter, pool in wanted]


def _plain(values: Values) -> list[Question]:
    """List the queries that start at one value."""

    def fill(text: str, pool: str) -> Callable[[int], str]:
        return lambda number: PREFIXES + text.replace("$VALUE", values.iri(pool, number))

    return [
        Question(
            "label",
            lambda number: (
                f'{PREFIXES}SELECT ?thing WHERE {{ ?thing rdfs:label "{values.label(number)}"@en }}\n'
            ),
        ),
        Question(
            "events of a person",
            fill(
                "SELECT DISTINCT ?event ?label ?kind WHERE { $VALUE lat:involvedIn ?event . "
                "?event rdfs:label ?label . GRAPH graph:entities { ?event a ?kind } } ORDER BY ?label ?event ?kind\n",
                "person",
            ),
        ),
        Question(
            "four hops",
            fill(
                "SELECT DISTINCT ?other ?label WHERE { $VALUE lat:involvedIn ?event . ?event lat:involves ?between . "
                "?between lat:involvedIn ?later . ?later lat:involves ?other . ?other rdfs:label ?label } "
                "ORDER BY ?label ?other\n",
                "person",
            ),
        ),
        Question(
            "path",
            fill(
                "SELECT DISTINCT ?part ?label WHERE { $VALUE (lat:hasPart|lat:involves)+ ?part . "
                "?part rdfs:label ?label } ORDER BY ?label ?part\n",
                "whole",
            ),
        ),
        Question(
            "optional",
            fill(
                "SELECT ?person ?label ?alias ?represented ?office WHERE { VALUES ?person { $VALUE } "
                "?person rdfs:label ?label . OPTIONAL { ?person skos:altLabel ?alias } "
                "OPTIONAL { ?person lat:represents ?represented } "
                "OPTIONAL { ?person lat:holdsOfficeIn ?office } } ORDER BY ?label ?alias ?represented ?office\n",
                "person",
            ),
        ),
        Question(
            "receipt",
            fill(
                "SELECT ?property ?value ?claim ?passage ?start WHERE { GRAPH ?claim { $VALUE ?property ?value } "
                "?claim a lat:Claim ; lat:evidence ?passage . ?passage oa:hasSelector ?selector . "
                "?selector oa:start ?start } ORDER BY ?claim ?property ?value ?passage\n",
                "thing",
            ),
        ),
        Question(
            "ask", fill("ASK { $VALUE lat:involvedIn ?event . ?event lat:concernsIssue ?issue }\n", "person")
        ),
        Question(
            "construct",
            fill("CONSTRUCT { $VALUE ?property ?value } WHERE { $VALUE ?property ?value }\n", "thing"),
            _TURTLE,
        ),
        Question(
            "text: a name",
            lambda number: (
                f"{PREFIXES}SELECT DISTINCT ?thing ?label WHERE {{ ?thing rdfs:label ?label "
                f'FILTER(CONTAINS(LCASE(STR(?label)), "{values.word(number)}")) }} ORDER BY ?label ?thing LIMIT 50\n'
            ),
        ),
    ]


def _whole() -> list[Question]:
    """List the queries that look at all there is of a kind."""

    def dates(number: int) -> str:
        year = 1990 + number % 35
        return (
            f"{PREFIXES}SELECT ?event ?date WHERE {{ ?event lat:earliest ?date "
            f'FILTER(?date >= "{year}-03-01"^^xsd:date && ?date < "{year + 1}-02-01"^^xsd:date) }} '
            "ORDER BY ?date ?event LIMIT 20\n"
        )

    return [
        Question("date range", dates),
        Question(
            "count by type",
            lambda number: (
                f"{PREFIXES}SELECT ?kind (COUNT(?thing) AS ?things) WHERE {{ ?thing a ?kind }} "
                f"GROUP BY ?kind HAVING (COUNT(?thing) > {number % 50}) ORDER BY DESC(?things) ?kind\n"
            ),
        ),
        Question(
            "top participants",
            lambda number: (
                f"{PREFIXES}SELECT ?actor (COUNT(DISTINCT ?event) AS ?events) WHERE {{ ?event lat:involves ?actor }} "
                f"GROUP BY ?actor ORDER BY DESC(?events) ?actor LIMIT {10 + number % 40}\n"
            ),
        ),
        Question(
            "text: a word",
            lambda number: (
                f"{PREFIXES}SELECT (COUNT(DISTINCT ?thing) AS ?things) WHERE {{ ?thing rdfs:label ?label "
                f'FILTER(CONTAINS(LCASE(STR(?label)), "{_WORDS[number % len(_WORDS)]}")) }}\n'
            ),
        ),
        Question(
            "10,000 rows",
            lambda number: (
                f"{PREFIXES}SELECT ?passage ?property ?value WHERE {{ ?passage a lat:Passage ; ?property ?value }} "
                f"LIMIT {10_000 + number % 40}\n"
            ),
        ),
    ]


def _column(store: ox.Store, query: str) -> Sequence[str]:
    rows = store.query(PREFIXES + query)
    assert isinstance(rows, ox.QuerySolutions)
    return [term.value for row in rows if isinstance(term := row["x"], ox.NamedNode | ox.Literal)]
