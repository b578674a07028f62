"""
Pages: what a browser is shown; home, search, things, claims, passages, documents, graphs, the ontology.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kg import names
from kg.api import negotiation, portraits
from kg.api.responses import add_get, respond
from kg.api.state import State
from kg.contents import Contents, Row, Term, select
from kg.engine import QueryRequest
from kg.errors import NotFoundError

_MAX_JSON_LD = 50_000
_SHOWN_PER_TOPIC = 2
_MAX_SHOWN = 200
KINDS = ("concept", "claim", "passage", "document", "graph")
SUFFIXES = {
    "ttl": "text/turtle",
    "jsonld": "application/ld+json",
    "nt": "application/n-triples",
    "rdf": "application/rdf+xml",
}
_SAFE_PATH = re.compile(r"[^\x00-\x20\x7f<>\"{}|\\^`]{1,300}\Z")
_DATES = {names.XSD + name for name in ("date", "gYear", "gYearMonth", "dateTime")}


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the Jinja environment: escaping on, missing names an error."""
    loader = FileSystemLoader(Path(__file__).parent / "html")
    made = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["number"] = lambda value: f"{int(value):,}"
    made.filters["capital"] = lambda text: text[:1].upper() + text[1:]
    made.filters["words"] = lambda name: re.sub(r"(?<=[a-z0-9])([A-Z])", r" \1", name).lower()
    made.globals["paragraphs"] = paragraphs
    made.globals["local"] = local_path
    made.globals["anchor"] = lambda iri: iri.rpartition("#")[2]
    made.globals["is_date"] = lambda term: term.datatype in _DATES
    made.globals["url_query"] = urlencode
    return made


def render(
    request: Request,
    name: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    contents: Contents | None = None,
    **values: Any,
) -> Response:
    """Make the response of a page."""
    contents = contents or State.of(request).contents
    text = (
        environment()
        .get_template(name)
        .render(
            path=request.url.path,
            contents=contents,
            version=contents.version,
            label=contents.label,
            kind_label=contents.kind_label,
            compress=contents.prefixes.compress,
            **values,
        )
    )
    return respond(request, text.encode("utf-8"), negotiation.HTML, status=status, headers=headers)


def local_path(iri: str) -> str | None:
    """
    Return the path of this service that shows an IRI, the address of an outside IRI, or None.

    >>> local_path("https://w3id.org/lateral/id/malta"), local_path("https://w3id.org/lateral/claim/wef-2026/0001")
    ('/page/malta', '/page/claim/wef-2026/0001')
    >>> local_path("https://w3id.org/lateral/ontology#State"), local_path("urn:x")
    ('/ontology#State', None)
    """
    if iri.startswith(names.ID):
        return "/page/" + quote(iri[len(names.ID) :])
    if iri.startswith(names.BASE):
        rest = iri[len(names.BASE) :]
        if rest.split("/")[0] in KINDS:
            return "/page/" + quote(rest.split("#")[0])
        if rest.startswith(("ontology", "shapes")):
            return "/" + rest
    return iri if iri.startswith(("https://", "http://")) else None


def iri_of(path: str) -> str:
    """
    Return the IRI that a page or data path is about.

    Raises:
        NotFoundError: The path is none that an IRI could have.

    >>> iri_of("malta"), iri_of("concept/role/chair")
    ('https://w3id.org/lateral/id/malta', 'https://w3id.org/lateral/concept/role/chair')
    """
    if not _SAFE_PATH.match(path):
        raise NotFoundError(f"{path[:_MAX_SHOWN]!r} is no name", name=path[:_MAX_SHOWN])
    return (names.BASE if path.split("/")[0] in KINDS and "/" in path else names.ID) + path


def not_found(contents: Contents, iri: str) -> NotFoundError:
    """Make the error that names what is near."""
    text = unquote(iri.rpartition("/")[2]).replace("-", " ")
    near = contents.near(text)
    told = "; ".join(f"{contents.label(one)} ({contents.prefixes.compress(one)})" for one in near)
    return NotFoundError(
        f"nothing here is named {contents.prefixes.compress(iri)}." + (f" Near: {told}." if told else ""),
        name=iri,
        near=near,
    )


def add_routes(app: FastAPI) -> None:
    """Add the routes of the pages."""
    for path, page in (
        ("/", home),
        ("/page/{path:path}", thing),
        ("/ontology.html", ontology),
        ("/documents", documents),
        ("/documents/{slug}", document_alias),
    ):
        add_get(app, path, page)
    add_get(app, "/search", search, summary="Find things and questions by name")


async def home(request: Request) -> Response:
    """Show what this is, and ways in."""
    contents = State.of(request).contents
    return render(
        request,
        "home.html",
        topics={topic: some[:_SHOWN_PER_TOPIC] for topic, some in by_topic(contents).items()},
        total=len(contents.templates),
        picture=sizes_of_kinds(contents),
        counts=counts(contents),
    )


def by_topic(contents: Contents) -> dict[str, list[Any]]:
    """Group the templates by their topics."""
    topics: dict[str, list[Any]] = {}
    for template in contents.templates.values():
        topics.setdefault(template.topic, []).append(template)
    return topics


def counts(contents: Contents) -> list[tuple[str, int, str | None]]:
    """Count what is in here, each with its address."""
    documents = [iri for iri, kind in contents.kinds.items() if kind == names.LAT + "SourceDocument"]
    passages = sum(1 for kind in contents.kinds.values() if kind == names.LAT + "Passage")
    counted = [
        ("claim", "claims", contents.count(names.CLAIM), None),
        ("passage", "passages", passages, None),
        ("entity", "entities", contents.count(names.ID), None),
        ("concept", "concepts", contents.count(names.CONCEPT), None),
        ("document", "documents", len(documents), "/documents"),
        ("question", "questions", len(contents.templates), "/queries"),
    ]
    return [(one if count == 1 else many, count, href) for one, many, count, href in counted]


def sizes_of_kinds(contents: Contents) -> list[tuple[str, str, int, float]]:
    """List the kinds of content as (name, what it is, triples, share of the largest)."""
    groups: dict[str, tuple[str, Callable[[str], bool]]] = {
        "Claims": ("what the documents state, a named graph each", lambda g: g.startswith(names.CLAIM)),
        "Receipts": (
            "records of claims, and passages",
            lambda g: g in (names.CLAIMS_GRAPH, names.PASSAGES_GRAPH),
        ),
        "Entities": ("names, kinds and one line each", lambda g: g == names.ENTITIES_GRAPH),
        "Open data": ("facts from outside", lambda g: g.startswith(names.GRAPH + "open/")),
        "Mappings": ("our names and theirs", lambda g: g.startswith(names.GRAPH + "mappings/")),
        "Ontology": (
            "terms and concepts",
            lambda g: g in (names.ONTOLOGY_GRAPH, names.CONCEPTS_GRAPH, names.SHAPES_GRAPH),
        ),
        "Inferred": ("what reasoning adds", lambda g: g == names.INFERRED_GRAPH),
    }
    sums = {
        name: (what, sum(size for graph, size in contents.sizes.items() if holds(graph)))
        for name, (what, holds) in groups.items()
    }
    most = max((size for _, size in sums.values()), default=0) or 1
    return [(name, what, size, size / most) for name, (what, size) in sums.items() if size]


async def search(request: Request) -> Response:
    """Find things, concepts and questions by name."""
    contents = State.of(request).contents
    text = request.query_params.get("q", "")[:200]
    groups = contents.search(text)
    offered = ["application/json", negotiation.HTML]
    wanted = {"json": offered[0], "html": offered[1]}.get(request.query_params.get("format", ""))
    if (wanted or negotiation.require(request.headers.get("accept"), offered)) == negotiation.HTML:
        return render(request, "search.html", text=text, groups=groups)
    found = {
        name: [
            {"iri": one.iri, "label": one.label, "type": one.kind, "score": one.score}
            if name != "questions"
            else {"template": one.iri, "question": one.label, "score": one.score}
            for one in group
        ]
        for name, group in groups.items()
    }
    body = json.dumps({"query": text, **found}, ensure_ascii=False, indent=1).encode()
    return respond(request, body, "application/json")


async def thing(request: Request, path: str) -> Response:
    """Show the page of a thing, concept, claim, passage, document, section or graph."""
    state = State.of(request)
    iri = iri_of(path)
    if iri.startswith(names.CLAIM):
        return await _claim(request, iri)
    if iri.startswith(names.PASSAGE):
        return await _passage(request, iri)
    if iri.startswith(names.GRAPH):
        return await _graph(request, iri)
    portrait = await portraits.read_portrait(state.engine, state.contents, iri)
    if portrait is None:
        raise not_found(state.contents, iri)
    sections: Sequence[Row] = ()
    claims: Sequence[str] = ()
    texts: Mapping[str, list[Row]] = {}
    if iri.startswith(names.DOCUMENT):
        portrait.incoming = [one for one in portrait.incoming if one.predicate not in _OF_DOCUMENTS]
        sections = await portraits.read_sections(state.engine, iri)
        claims = await portraits.read_section_claims(state.engine, iri)
        texts = await _claim_texts(state, claims)
    return _linked(
        request,
        iri,
        "thing.html",
        status=410 if portrait.is_deprecated else 200,
        portrait=portrait,
        sections=sections,
        claims=claims,
        texts=texts,
        json_ld=await _json_ld(state, iri),
    )


async def _json_ld(state: State, iri: str) -> str:
    """Return the data of a thing for its page, safe inside a script element; empty where it is long."""
    answer = await state.engine.query(
        QueryRequest(query=f"CONSTRUCT {{ <{iri}> ?p ?o }} WHERE {{ <{iri}> ?p ?o }}", format="jsonld")
    )
    if len(answer.body) > _MAX_JSON_LD:
        return ""
    return answer.body.decode().replace("<", "\\u003c").replace("&", "\\u0026")


_OF_DOCUMENTS = frozenset(
    {names.OA + "hasSource", names.LAT + "statedIn", names.LAT + "inSection", names.LAT + "sectionOf"}
)


async def _claim_texts(state: State, claims: Sequence[str]) -> dict[str, list[Row]]:
    """Read the triples of several claims at once."""
    texts: dict[str, list[Row]] = {}
    for start in range(0, len(claims), 200):
        values = " ".join(f"<{one}>" for one in claims[start : start + 200])
        for row in await select(
            state.engine,
            f"SELECT ?claim ?subject ?predicate ?object WHERE {{ VALUES ?claim {{ {values} }} "
            "GRAPH ?claim { ?subject ?predicate ?object } } ORDER BY ?claim ?subject ?predicate ?object",
        ):
            texts.setdefault(row["claim"].value, []).append(row)
    return texts


def _linked(request: Request, iri: str, template: str, *, status: int = 200, **values: Any) -> Response:
    """Render a page of linked data, with links to its other forms."""
    stem = data_path(iri)
    alternates = [(kind, f"{stem}.{suffix}", suffix) for suffix, kind in SUFFIXES.items()]
    links = [f'<{path}>; rel="alternate"; type="{kind}"' for kind, path, _ in alternates]
    headers = {"Link": ", ".join([*links, f'<{quote(iri, safe=":/#%")}>; rel="canonical"'])}
    return render(request, template, status=status, headers=headers, iri=iri, alternates=alternates, **values)


def data_path(iri: str) -> str:
    """
    Return the path of the data about an IRI, without suffix.

    >>> data_path("https://w3id.org/lateral/id/malta"), data_path("https://w3id.org/lateral/concept/role/chair")
    ('/data/malta', '/data/concept/role/chair')
    """
    space = names.ID if iri.startswith(names.ID) else names.BASE
    return "/data/" + quote(iri[len(space) :])


async def _claim(request: Request, iri: str) -> Response:
    state = State.of(request)
    rows = await portraits.read_graph(state.engine, iri)
    receipts = await portraits.read_receipts(state.engine, [iri])
    if not rows:
        raise not_found(state.contents, iri)
    return _linked(request, iri, "claim.html", rows=rows, receipt=receipts[iri])


def paragraphs(rows: Sequence[Row]) -> list[tuple[Term, list[tuple[Term, list[Term]]]]]:
    """Group triples by subject, then by property."""
    groups: dict[Term, dict[Term, list[Term]]] = {}
    for row in rows:
        groups.setdefault(row["subject"], {}).setdefault(row["predicate"], []).append(row["object"])
    return [(subject, list(verbs.items())) for subject, verbs in groups.items()]


async def _passage(request: Request, iri: str) -> Response:
    state = State.of(request)
    read = await portraits.read_passage(state.engine, iri)
    if read is None:
        raise not_found(state.contents, iri)
    evidence, place, claims = read
    texts = await _claim_texts(state, claims)
    return _linked(request, iri, "passage.html", evidence=evidence, place=place, claims=claims, texts=texts)


async def _graph(request: Request, iri: str) -> Response:
    state = State.of(request)
    rows = await portraits.read_graph(state.engine, iri)
    portrait = await portraits.read_portrait(state.engine, state.contents, iri)
    if not rows and portrait is None:
        raise not_found(state.contents, iri)
    size = state.contents.sizes.get(iri, len(rows))
    return _linked(request, iri, "graph.html", rows=rows, size=size, portrait=portrait)


async def documents(request: Request) -> Response:
    """List the source documents."""
    contents = State.of(request).contents
    found = [iri for iri, kind in contents.kinds.items() if kind == names.LAT + "SourceDocument"]
    return render(request, "documents.html", documents=sorted(found))


async def document_alias(slug: str) -> Response:
    """Lead from the readable address of a document to its page."""
    return RedirectResponse("/page/document/" + quote(slug, safe=""), status_code=303)


async def ontology(request: Request) -> Response:
    """Show every term of the ontology."""
    state = State.of(request)
    terms: dict[str, dict[str, Any]] = {}
    for row in await portraits.read_terms(state.engine):
        iri = row["term"].value
        one = terms.setdefault(iri, {"iri": iri, "kind": row["kind"].value.rpartition("#")[2], "says": {}})
        if "what" in row and "value" in row:
            what = re.split(r"[#/]", row["what"].value)[-1]
            values = one["says"].setdefault(what, [])
            if row["value"] not in values:
                values.append(row["value"])
    parts = {
        "Classes": [one for one in terms.values() if one["kind"] == "Class"],
        "Relations": [one for one in terms.values() if one["kind"] == "ObjectProperty"],
        "Values": [one for one in terms.values() if one["kind"] == "DatatypeProperty"],
    }
    iri = names.BASE + "ontology"
    alternates = [(kind, f"/ontology.{suffix}", suffix) for suffix, kind in SUFFIXES.items()]
    return render(
        request,
        "ontology.html",
        headers={"Content-Location": "/ontology.html"},
        parts=parts,
        tree=_tree(parts["Classes"]),
        iri=iri,
        alternates=alternates,
        schemes=sorted(
            iri for iri, kind in state.contents.kinds.items() if kind == names.SKOS + "ConceptScheme"
        ),
    )


def _tree(classes: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Order classes as a tree: (depth, IRI); a class with several parents stands under each."""
    parents = {
        one["iri"]: [
            term.value for term in one["says"].get("subClassOf", ()) if term.value.startswith(names.LAT)
        ]
        for one in classes
    }
    children: dict[str | None, list[str]] = {}
    for iri, above in parents.items():
        for parent in above or [None]:
            children.setdefault(parent, []).append(iri)
    rows: list[tuple[int, str]] = []

    def walk(iri: str, depth: int) -> None:
        if depth < 12:
            rows.append((depth, iri))
            for child in sorted(children.get(iri, ())):
                walk(child, depth + 1)

    for top in sorted(children.get(None, ())):
        walk(top, 0)
    return rows
