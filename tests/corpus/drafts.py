"""A contribution as triples, and its text in five formats with the line of every triple."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

import pyoxigraph as ox

BASE = "https://w3id.org/lateral/"
LAT, RDF = BASE + "ontology#", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS, SKOS = "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2004/02/skos/core#"
DCTERMS, XSD = "http://purl.org/dc/terms/", "http://www.w3.org/2001/XMLSchema#"
OA = "http://www.w3.org/ns/oa#"
TYPE, LABEL, DESCRIPTION = RDF + "type", RDFS + "label", DCTERMS + "description"
DRAFT, PASSAGE, ID = BASE + "claim/draft/", BASE + "passage/draft/", BASE + "id/"

FORMATS = {"trig": ".trig", "turtle": ".ttl", "nquads": ".nq", "jsonld": ".jsonld", "rdfxml": ".rdf"}
WITH_GRAPHS = ("trig", "nquads", "jsonld")

_SCHEMES = "approach argument bound category decision dimension format issue measure metric outcome role"
PREFIXES = {
    "dcterms": DCTERMS,
    "document": BASE + "document/",
    "draft": DRAFT,
    "draft-passage": PASSAGE,
    "id": ID,
    "lat": LAT,
    "oa": OA,
    "owl": "http://www.w3.org/2002/07/owl#",
    "rdfs": RDFS,
    "schema": "https://schema.org/",
    "skos": SKOS,
    "xsd": XSD,
    **{
        one: f"{BASE}concept/{one}/"
        for one in (*_SCHEMES.split(), "stage", "status", "technique", "work-kind")
    },
}
_LOCAL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\Z")

Term = ox.NamedNode | ox.Literal | ox.BlankNode


@dataclass(eq=False)
class Triple:
    """One triple; `graph` is a claim's IRI, or None for what stands outside the claims."""

    subject: str
    predicate: str
    object: Term
    graph: str | None = None


@dataclass
class Draft:
    """A contribution: its triples in the order of writing, and what it is about."""

    triples: list[Triple]
    about: str
    kind: str
    claim: str

    def find(self, subject: str, predicate: str) -> list[Triple]:
        """Return the triples of a subject and predicate."""
        return [one for one in self.triples if (one.subject, one.predicate) == (subject, predicate)]

    def add(self, triple: Triple) -> Triple:
        """Write a triple after the last of its subject and graph, or last."""
        places = [
            at
            for at, one in enumerate(self.triples)
            if (one.subject, one.graph) == (triple.subject, triple.graph)
        ]
        self.triples.insert(places[-1] + 1 if places else len(self.triples), triple)
        return triple


@dataclass
class Written:
    """A text, the line of every triple (by identity) and the lines at which each subject's blocks begin."""

    text: str
    lines: dict[int, int] = field(default_factory=dict)
    starts: dict[str, set[int]] = field(default_factory=dict)

    def line(self, triple: Triple) -> int:
        """Return the line on which the object of a triple stands, from 1."""
        return self.lines[id(triple)]


class _Page:
    """Lines as they are written."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.lines: dict[int, int] = {}
        self.starts: dict[str, set[int]] = {}

    def put(self, row: str, triple: Triple | None = None, *, starts: str | None = None) -> None:
        self.rows.append(row)
        if triple is not None:
            self.lines[id(triple)] = len(self.rows)
        if starts is not None:
            self.starts.setdefault(starts, set()).add(len(self.rows))

    def written(self) -> Written:
        return Written("\n".join(self.rows) + "\n", self.lines, self.starts)


def write(draft: Draft, kind: str) -> Written:
    """Write a draft in one of the five formats."""
    page = _Page()
    {"trig": _trig, "turtle": _turtle, "nquads": _nquads, "jsonld": _jsonld, "rdfxml": _rdfxml}[kind](
        draft, page
    )
    return page.written()


def _blocks(triples: list[Triple], *, graphs: bool) -> Iterator[tuple[str | None, str, list[Triple]]]:
    """Group by graph and subject in order of first appearance; types first, equal predicates together."""
    grouped: dict[tuple[str | None, str], list[Triple]] = {}
    for one in triples:
        grouped.setdefault((one.graph if graphs else None, one.subject), []).append(one)
    for (graph, subject), members in grouped.items():
        first = {one.predicate: at for at, one in reversed(list(enumerate(members)))}
        yield graph, subject, sorted(members, key=lambda one: (one.predicate != TYPE, first[one.predicate]))


def short(iri: str) -> str:
    """Write an IRI with its prefix, where one fits."""
    for prefix, base in PREFIXES.items():
        if iri.startswith(base) and _LOCAL.match(iri[len(base) :]):
            return f"{prefix}:{iri[len(base) :]}"
    return f"<{iri}>"


def _turtle_term(term: Term) -> str:
    if isinstance(term, ox.NamedNode):
        return short(term.value)
    if isinstance(term, ox.BlankNode):
        return f"_:{term.value}"
    text = str(ox.Literal(term.value))
    if term.language:
        return f"{text}@{term.language}"
    if term.datatype.value == XSD + "integer" and re.fullmatch(r"[0-9]+", term.value):
        return term.value
    return text if term.datatype.value == XSD + "string" else f"{text}^^{short(term.datatype.value)}"


def _heads(page: _Page) -> None:
    for prefix, base in PREFIXES.items():
        page.put(f"@prefix {prefix}: <{base}> .")
    page.put("")


def _block(page: _Page, subject: str, members: list[Triple], *, indent: str) -> None:
    name = f"_:{subject[2:]}" if subject.startswith("_:") else short(subject)
    for at, one in enumerate(members):
        again = at > 0 and members[at - 1].predicate == one.predicate
        after = members[at + 1].predicate if at + 1 < len(members) else None
        end = " ." if after is None else " ," if after == one.predicate else " ;"
        verb = "a" if one.predicate == TYPE else short(one.predicate)
        lead = f"{indent}{name} {verb} " if at == 0 else f"{indent}      " if again else f"{indent}  {verb} "
        page.put(lead + _turtle_term(one.object) + end, one, starts=subject if at == 0 else None)


def _turtle(draft: Draft, page: _Page) -> None:
    _heads(page)
    for _, subject, members in _blocks(draft.triples, graphs=False):
        _block(page, subject, members, indent="")
        page.put("")
    page.rows.pop()


def _trig(draft: Draft, page: _Page) -> None:
    _heads(page)
    blocks = list(_blocks(draft.triples, graphs=True))
    for graph, subject, members in blocks:
        if graph is None:
            _block(page, subject, members, indent="")
            page.put("")
    for name in dict.fromkeys(graph for graph, _, _ in blocks if graph is not None):
        page.put(f"{short(name)} {{", starts=name)
        for graph, subject, members in blocks:
            if graph == name:
                _block(page, subject, members, indent="  ")
        page.put("}")
        page.put("")
    page.rows.pop()


def _nquads(draft: Draft, page: _Page) -> None:
    for graph, subject, members in _blocks(draft.triples, graphs=True):
        for at, one in enumerate(members):
            node = subject if subject.startswith("_:") else f"<{subject}>"
            place = f" <{graph}>" if graph is not None else ""
            row = f"{node} <{one.predicate}> {one.object}{place} ."
            page.put(row, one, starts=subject if at == 0 else None)
            if graph is not None:
                page.starts.setdefault(graph, set()).add(len(page.rows))


def _json_term(term: Term) -> str:
    if isinstance(term, ox.NamedNode):
        return json.dumps({"@id": _json_name(term.value)}, ensure_ascii=False)
    if isinstance(term, ox.BlankNode):
        return json.dumps({"@id": f"_:{term.value}"})
    value: dict[str, str] = {"@value": term.value}
    if term.language:
        value["@language"] = term.language
    elif term.datatype.value == XSD + "integer" and re.fullmatch(r"0|[1-9][0-9]*", term.value):
        return term.value
    elif term.datatype.value == XSD + "string":
        return json.dumps(term.value, ensure_ascii=False)
    else:
        value["@type"] = _json_name(term.datatype.value)
    return json.dumps(value, ensure_ascii=False)


def _json_name(iri: str) -> str:
    return short(iri).strip("<>")


def _json_node(page: _Page, subject: str, members: list[Triple], *, indent: str, end: str) -> None:
    page.put(indent + "{")
    page.put(f'{indent}  "@id": {json.dumps(_json_name(subject))},', starts=subject)
    groups: dict[str, list[Triple]] = {}
    for one in members:
        groups.setdefault(one.predicate, []).append(one)
    for at, (predicate, values) in enumerate(groups.items()):
        comma = "," if at + 1 < len(groups) else ""
        key = "@type" if predicate == TYPE else _json_name(predicate)
        texts = [
            json.dumps(_json_name(one.object.value)) if predicate == TYPE else _json_term(one.object)
            for one in values
        ]
        if len(values) == 1:
            page.put(f'{indent}  "{key}": {texts[0]}{comma}', values[0])
            continue
        page.put(f'{indent}  "{key}": [')
        for nth, (one, text) in enumerate(zip(values, texts, strict=True)):
            page.put(f"{indent}    {text}{',' if nth + 1 < len(values) else ''}", one)
        page.put(f"{indent}  ]{comma}")
    page.put(indent + "}" + end)


def _jsonld(draft: Draft, page: _Page) -> None:
    blocks = list(_blocks(draft.triples, graphs=True))
    graphs = list(dict.fromkeys(graph for graph, _, _ in blocks if graph is not None))
    outside = [(subject, members) for graph, subject, members in blocks if graph is None]
    page.put("{")
    page.put('  "@context": {')
    for at, (prefix, base) in enumerate(PREFIXES.items()):
        page.put(f'    "{prefix}": "{base}"{"," if at + 1 < len(PREFIXES) else ""}')
    page.put("  },")
    page.put('  "@graph": [')
    for at, (subject, members) in enumerate(outside):
        last = at + 1 == len(outside) and not graphs
        _json_node(page, subject, members, indent="    ", end="" if last else ",")
    for at, name in enumerate(graphs):
        page.put("    {")
        page.put(f'      "@id": {json.dumps(_json_name(name))},', starts=name)
        page.put('      "@graph": [')
        nodes = [(subject, members) for graph, subject, members in blocks if graph == name]
        for nth, (subject, members) in enumerate(nodes):
            _json_node(page, subject, members, indent="        ", end="," if nth + 1 < len(nodes) else "")
        page.put("      ]")
        page.put("    }" + ("," if at + 1 < len(graphs) else ""))
    page.put("  ]")
    page.put("}")


def _qname(iri: str) -> str:
    if iri.startswith(RDF):
        return "rdf:" + iri[len(RDF) :]
    name = short(iri)
    assert not name.startswith("<"), iri
    return name


def _rdfxml(draft: Draft, page: _Page) -> None:
    page.put('<?xml version="1.0" encoding="utf-8"?>')
    page.put("<rdf:RDF")
    page.put(f'    xmlns:rdf="{RDF}"')
    names = list(PREFIXES.items())
    for at, (prefix, base) in enumerate(names):
        page.put(f'    xmlns:{prefix}="{base}"{">" if at + 1 == len(names) else ""}')
    for _, subject, members in _blocks(draft.triples, graphs=False):
        about = (
            f'rdf:nodeID="{subject[2:]}"' if subject.startswith("_:") else f"rdf:about={quoteattr(subject)}"
        )
        typed = members[0].predicate == TYPE and not short(members[0].object.value).startswith("<")
        tag = _qname(members[0].object.value) if typed else "rdf:Description"
        page.put(f"  <{tag} {about}>", members[0] if typed else None, starts=subject)
        for one in members[1:] if typed else members:
            page.put("    " + _element(one), one)
        page.put(f"  </{tag}>")
    page.put("</rdf:RDF>")


def _element(one: Triple) -> str:
    tag, term = _qname(one.predicate), one.object
    if isinstance(term, ox.NamedNode):
        return f"<{tag} rdf:resource={quoteattr(term.value)}/>"
    if isinstance(term, ox.BlankNode):
        return f'<{tag} rdf:nodeID="{term.value}"/>'
    if term.language:
        return f'<{tag} xml:lang="{term.language}">{escape(term.value)}</{tag}>'
    kind = "" if term.datatype.value == XSD + "string" else f' rdf:datatype="{term.datatype.value}"'
    return f"<{tag}{kind}>{escape(term.value)}</{tag}>"
