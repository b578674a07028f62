"""
Portraits: what the graph says of one thing, with the receipt of each statement; all of it by SPARQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from kg import names
from kg.contents import Contents, Row, Runner, Term, select

MAX_STATEMENTS = 1500
_CLAIMS_AT_ONCE = 200
_NOT_TOLD = (names.SHAPES_GRAPH, names.VOID_GRAPH, names.EXAMPLES_GRAPH)

_PREFIXES = """PREFIX lat: <https://w3id.org/lateral/ontology#>
PREFIX oa: <http://www.w3.org/ns/oa#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX dcterms: <http://purl.org/dc/terms/>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
"""
_TEXT = (
    names.SKOS + "definition",
    names.DCTERMS + "description",
    names.RDFS + "comment",
    names.SKOS + "scopeNote",
)
_NAMES = (names.RDFS + "label", names.SKOS + "prefLabel", names.SKOS + "altLabel", names.RDF + "type")
_ALIAS = names.SKOS + "altLabel"
_DEPRECATED = names.OWL + "deprecated"
_REPLACED = names.DCTERMS + "isReplacedBy"
_QUIET = frozenset(
    {
        names.RDFS + "isDefinedBy",
        names.SKOS + "inScheme",
        names.SKOS + "topConceptOf",
        names.SKOS + "hasTopConcept",
        names.LAT + "earliest",
        names.LAT + "latest",
        _DEPRECATED,
    }
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One passage, as a reader finds it."""

    iri: str
    document: str
    section: str | None
    first: str
    last: str
    word_count: int | None
    footnote: str | None
    page: str | None
    link: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What stands behind a claim."""

    claim: str
    status: str | None
    curator: str | None
    curated_on: str | None
    evidence: tuple[Evidence, ...]


@dataclass(slots=True)
class Statement:
    """One triple about the thing, from its side: `is_outgoing` where the thing is the subject."""

    predicate: str
    node: Term
    is_outgoing: bool
    graphs: list[str] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    when: str | None = None

    @property
    def is_inferred(self) -> bool:
        """Say whether nothing but reasoning gives the triple."""
        return all(one == names.INFERRED_GRAPH for one in self.graphs)


@dataclass(slots=True)
class Group:
    """
    The statements that one property makes in one direction.

    `is_active` where the thing is the object and an inverse property names what it does.
    """

    predicate: str
    is_outgoing: bool
    heading: str
    statements: list[Statement]
    is_active: bool = False


@dataclass(slots=True)
class Portrait:
    """One thing, as its page shows it."""

    iri: str
    label: str
    types: list[str]
    aliases: list[str]
    texts: list[Term]
    outgoing: list[Group]
    incoming: list[Group]
    inferred: list[Group]
    is_deprecated: bool
    successor: str | None
    is_cut: bool

    @property
    def receipts(self) -> dict[str, Receipt]:
        """Return each receipt once, by claim."""
        groups = [*self.outgoing, *self.incoming]
        return {
            receipt.claim: receipt
            for group in groups
            for statement in group.statements
            for receipt in statement.receipts
        }


async def is_known(engine: Runner, iri: str) -> bool:
    """Say whether the graph holds anything under an IRI."""
    rows = await select(
        engine,
        f"SELECT ?known WHERE {{ {{ <{iri}> ?p ?known }} UNION {{ ?known ?p <{iri}> }} "
        f"UNION {{ GRAPH <{iri}> {{ ?known ?p ?o }} }} }} LIMIT 1",
    )
    return bool(rows)


async def read_portrait(engine: Runner, contents: Contents, iri: str) -> Portrait | None:
    """Read what the graph says of a thing, or return None where it says nothing."""
    rows = await select(engine, _statements_query(iri))
    if not rows:
        return None
    statements = _merge(rows, iri)
    claims = sorted({graph for one in statements for graph in one.graphs if graph.startswith(names.CLAIM)})
    receipts = await read_receipts(engine, claims)
    for one in statements:
        one.receipts = [receipts[graph] for graph in one.graphs if graph in receipts]
    return _compose(contents, iri, statements, is_cut=len(rows) >= MAX_STATEMENTS)


def _statements_query(iri: str) -> str:
    return f"""{_PREFIXES}
SELECT ?way ?predicate ?node ?graph ?when
WHERE {{
  {{ GRAPH ?graph {{ <{iri}> ?predicate ?node }} BIND("out" AS ?way) }}
  UNION
  {{ GRAPH ?graph {{ ?node ?predicate <{iri}> }} BIND("in" AS ?way) }}
  OPTIONAL {{ ?node lat:earliest ?when }}
}}
LIMIT {MAX_STATEMENTS}"""


def _merge(rows: Iterable[Row], iri: str) -> list[Statement]:
    """Make one statement of a triple that stands in several graphs."""
    merged: dict[tuple[bool, str, Term], Statement] = {}
    for row in rows:
        if row["graph"].value in _NOT_TOLD or row["node"].kind == "bnode":
            continue
        is_outgoing = row["way"].value == "out"
        if not is_outgoing and row["node"].value == iri:
            continue
        key = (is_outgoing, row["predicate"].value, row["node"])
        one = merged.setdefault(key, Statement(row["predicate"].value, row["node"], is_outgoing))
        if row["graph"].value not in one.graphs:
            one.graphs.append(row["graph"].value)
        if "when" in row:
            one.when = min(filter(None, (one.when, row["when"].value)))
    for one in merged.values():
        one.graphs.sort()
    return list(merged.values())


def _compose(contents: Contents, iri: str, statements: Sequence[Statement], *, is_cut: bool) -> Portrait:
    out = [one for one in statements if one.is_outgoing]
    told = [one for one in statements if not _is_told_elsewhere(one)]
    asserted = [one for one in told if not one.is_inferred]
    inferred = [one for one in told if one.is_inferred and not _is_echo(one, asserted, contents)]
    types = sorted(
        (
            one
            for one in out
            if one.predicate == names.RDF + "type" and not one.node.value.startswith(names.OWL)
        ),
        key=lambda one: (one.is_inferred, contents.label(one.node.value)),
    )
    successors = [one.node.value for one in out if one.predicate == _REPLACED]
    return Portrait(
        iri=iri,
        label=contents.label(iri),
        types=[one.node.value for one in types if not one.is_inferred]
        or [one.node.value for one in types[:3]],
        aliases=sorted(one.node.value for one in out if one.predicate == _ALIAS),
        texts=[one.node for predicate in _TEXT for one in out if one.predicate == predicate],
        outgoing=_group([one for one in asserted if one.is_outgoing], contents),
        incoming=_group([one for one in asserted if not one.is_outgoing], contents),
        inferred=_group(inferred, contents),
        is_deprecated=any(one.predicate == _DEPRECATED and one.node.value in ("true", "1") for one in out),
        successor=successors[0] if successors else None,
        is_cut=is_cut,
    )


def _is_told_elsewhere(one: Statement) -> bool:
    """Say whether the head of the page tells a statement, or nobody needs it."""
    if one.is_outgoing:
        return one.predicate in (*_NAMES, *_TEXT) or one.predicate in _QUIET
    return one.predicate in (names.RDF + "type", names.SKOS + "hasTopConcept", names.SKOS + "topConceptOf")


def _is_echo(one: Statement, asserted: Sequence[Statement], contents: Contents) -> bool:
    """Say whether an inferred statement only turns an asserted one round."""
    inverse = contents.inverses.get(one.predicate)
    return any(
        other.node == one.node and other.is_outgoing != one.is_outgoing and other.predicate == inverse
        for other in asserted
    )


def _group(statements: Sequence[Statement], contents: Contents) -> list[Group]:
    groups: dict[tuple[bool, str], Group] = {}
    for one in statements:
        key = (one.is_outgoing, one.predicate)
        if key not in groups:
            is_active = not one.is_outgoing and one.predicate in contents.inverses
            groups[key] = Group(one.predicate, one.is_outgoing, _heading(one, contents), [], is_active)
        groups[key].statements.append(one)
    for group in groups.values():
        group.statements.sort(key=lambda one: (one.when or "9", contents.label(one.node.value).casefold()))
    return sorted(groups.values(), key=lambda one: (not one.is_outgoing, one.heading.casefold()))


def _heading(one: Statement, contents: Contents) -> str:
    """Name a property from the thing's side."""
    label = contents.label(one.predicate)
    if one.is_outgoing:
        return label
    inverse = contents.inverses.get(one.predicate)
    return contents.label(inverse) if inverse else f"… {label}: this"


async def read_receipts(engine: Runner, claims: Sequence[str]) -> dict[str, Receipt]:
    """Read status, curator and evidence of claims."""
    found: dict[str, Receipt] = {}
    for start in range(0, len(claims), _CLAIMS_AT_ONCE):
        rows = await select(engine, _receipts_query(claims[start : start + _CLAIMS_AT_ONCE]))
        found |= _receipts(rows)
    return found


def _receipts_query(claims: Sequence[str]) -> str:
    values = " ".join(f"<{one}>" for one in claims)
    return f"""{_PREFIXES}
SELECT ?claim ?status ?curator ?curatedOn {_EVIDENCE_COLUMNS}
WHERE {{
  VALUES ?claim {{ {values} }}
  OPTIONAL {{ ?claim lat:epistemicStatus ?status }}
  OPTIONAL {{ ?claim lat:curatedBy ?curator }}
  OPTIONAL {{ ?claim lat:curatedOn ?curatedOn }}
  OPTIONAL {{
    ?claim lat:evidence ?passage .
    {_EVIDENCE_PATTERN}
  }}
}}
ORDER BY ?claim ?passage"""


_EVIDENCE_COLUMNS = "?passage ?document ?section ?first ?last ?words ?footnote ?page ?url"
_EVIDENCE_PATTERN = """?passage oa:hasSource ?document .
    OPTIONAL { ?passage lat:inSection ?section }
    OPTIONAL { ?passage lat:firstWords ?first }
    OPTIONAL { ?passage lat:lastWords ?last }
    OPTIONAL { ?passage lat:wordCount ?words }
    OPTIONAL { ?passage lat:footnoteNumber ?footnote }
    OPTIONAL { ?passage lat:page ?page }
    OPTIONAL { ?document lat:url ?url }"""


def _receipts(rows: Iterable[Row]) -> dict[str, Receipt]:
    by_claim: dict[str, list[Row]] = {}
    for row in rows:
        by_claim.setdefault(row["claim"].value, []).append(row)
    return {claim: _receipt(claim, of_claim) for claim, of_claim in by_claim.items()}


def _receipt(claim: str, rows: Sequence[Row]) -> Receipt:
    passages = {row["passage"].value: _evidence(row) for row in rows if "passage" in row}
    first = rows[0]
    return Receipt(
        claim,
        _text(first, "status"),
        _text(first, "curator"),
        _text(first, "curatedOn"),
        tuple(passages.values()),
    )


def _evidence(row: Row) -> Evidence:
    first, last, url = (_text(row, name) or "" for name in ("first", "last", "url"))
    words = _text(row, "words")
    return Evidence(
        iri=row["passage"].value,
        document=row["document"].value,
        section=_text(row, "section"),
        first=first,
        last=last,
        word_count=int(words) if words else None,
        footnote=_text(row, "footnote"),
        page=_text(row, "page"),
        link=text_fragment(url, first, last, is_short=bool(words) and int(words or 0) <= 4) if url else None,
    )


def _text(row: Row, name: str) -> str | None:
    return row[name].value if name in row else None


def text_fragment(url: str, first: str, last: str, *, is_short: bool = False) -> str | None:
    """
    Make the address at which a browser shows a passage in its page.

    Source: URL Fragment Text Directives, section 3.2, https://wicg.github.io/scroll-to-text-fragment/

    >>> text_fragment("https://example.org/a", "The first-day words", "the last, ones")
    'https://example.org/a#:~:text=The%20first%2Dday%20words,the%20last%2C%20ones'
    """
    if not url.startswith(("https://", "http://")):
        return None
    parts = [quote(one, safe="").replace("-", "%2D") for one in (first, "" if is_short else last) if one]
    return f"{url.split('#')[0]}#:~:text={','.join(parts)}" if parts else url


async def read_passage(engine: Runner, iri: str) -> tuple[Evidence, dict[str, str], list[str]] | None:
    """Read a passage: where it is found, its position and digest, and the claims that rest on it."""
    rows = await select(
        engine,
        f"""{_PREFIXES}
SELECT {_EVIDENCE_COLUMNS} ?digest ?start ?end
WHERE {{
  VALUES ?passage {{ <{iri}> }}
  {_EVIDENCE_PATTERN}
  OPTIONAL {{ ?passage lat:digest ?digest }}
  OPTIONAL {{ ?passage oa:hasSelector ?selector . ?selector oa:start ?start ; oa:end ?end }}
}}
LIMIT 1""",
    )
    if not rows:
        return None
    place = {name: rows[0][name].value for name in ("digest", "start", "end") if name in rows[0]}
    claims = await select(
        engine, f"{_PREFIXES} SELECT DISTINCT ?claim WHERE {{ ?claim lat:evidence <{iri}> }} ORDER BY ?claim"
    )
    return _evidence(rows[0]), place, [row["claim"].value for row in claims]


async def read_graph(engine: Runner, iri: str, limit: int = 200) -> list[Row]:
    """Read triples of a named graph, in order, at most `limit` rows."""
    return await select(
        engine,
        f"SELECT ?subject ?predicate ?object WHERE {{ GRAPH <{iri}> {{ ?subject ?predicate ?object }} }} "
        f"ORDER BY ?subject ?predicate ?object LIMIT {limit}",
    )


async def read_sections(engine: Runner, document: str) -> list[Row]:
    """List the sections of a document with how many passages and claims each holds."""
    return await select(
        engine,
        f"""{_PREFIXES}
SELECT ?section (COUNT(DISTINCT ?passage) AS ?passages) (COUNT(DISTINCT ?claim) AS ?claims)
  (MIN(?start) AS ?first)
WHERE {{
  ?passage oa:hasSource <{document}> ; lat:inSection ?section .
  OPTIONAL {{ ?claim lat:evidence ?passage }}
  OPTIONAL {{ ?passage oa:hasSelector ?selector . ?selector oa:start ?start }}
}}
GROUP BY ?section
ORDER BY ?first ?section""",
    )


async def read_section_claims(engine: Runner, section: str) -> list[str]:
    """List the claims whose evidence stands in a section, in the order of the text."""
    rows = await select(
        engine,
        f"""{_PREFIXES}
SELECT ?claim (MIN(?start) AS ?first)
WHERE {{
  ?passage lat:inSection <{section}> .
  ?claim lat:evidence ?passage .
  OPTIONAL {{ ?passage oa:hasSelector ?selector . ?selector oa:start ?start }}
}}
GROUP BY ?claim
ORDER BY ?first ?claim
LIMIT 500""",
    )
    return [row["claim"].value for row in rows if "claim" in row]


async def read_terms(engine: Runner) -> list[Row]:
    """List the terms of the ontology with what is said of them."""
    return await select(
        engine,
        f"""{_PREFIXES}
SELECT ?term ?kind ?what ?value
WHERE {{
  GRAPH <{names.ONTOLOGY_GRAPH}> {{
    ?term a ?kind .
    FILTER(?kind IN (owl:Class, owl:ObjectProperty, owl:DatatypeProperty))
    FILTER(STRSTARTS(STR(?term), "{names.LAT}"))
    OPTIONAL {{
      VALUES ?what {{ skos:definition skos:scopeNote skos:example rdfs:subClassOf
        rdfs:subPropertyOf rdfs:domain rdfs:range owl:inverseOf owl:deprecated }}
      ?term ?what ?value .
      FILTER(!isBlank(?value))
    }}
  }}
}}
ORDER BY ?term ?what ?value""",
    )
