"""Receipts: the claims behind a claim's name or a statement, what each says and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rdflib import Literal

from kg import names
from kg.api.portraits import read_graph, read_receipts
from kg.api.state import State
from kg.contents import select
from kg.errors import KGError, NotFoundError
from kg.mcp import naming, results, texts
from kg.mcp.arguments import Arguments, read_page, read_text, turn, wrong
from kg.mcp.results import Told

CLAIMS_PER_PAGE = 10
_TRIPLES_PER_CLAIM = 40


async def receipt(state: State, arguments: Arguments) -> Told:
    """Tell the claims behind a claim's name or a statement, and the passages that they rest on."""
    contents = state.contents
    wanted = {
        name: read_text(arguments, name)
        for name in ("claim", "subject", "predicate", "object")
        if arguments.get(name)
    }
    if "claim" in wanted:
        iri = await naming.find_thing(state.engine, contents, wanted["claim"])
        if not iri.startswith(names.CLAIM):
            raise NotFoundError(
                f"{wanted['claim']!r} is no claim: expected e.g. ipi-claim:0123.", name=iri, near=[]
            )
        claims, note = [iri], ""
    elif len(wanted) < 2:
        raise wrong("claim", None, "a claim, or two of subject, predicate and object")
    else:
        claims, note = await _find_claims(state, wanted)
    page = turn(read_page(arguments), CLAIMS_PER_PAGE, len(claims))
    told = {
        "total_claims": page.rows,
        "page": page.number,
        "pages": page.last,
        "claims": await tell_claims(state, claims[page.offset : page.offset + page.size]),
        "version": contents.version,
    }
    if note:
        told["note"] = note
    return Told(told, texts.receipts(told))


async def _find_claims(state: State, wanted: Mapping[str, str]) -> tuple[list[str], str]:
    """Find the claims whose graph holds a statement, or else those that speak of both its ends."""
    contents, engine = state.contents, state.engine
    terms = {"subject": "?s", "predicate": "?p", "object": "?o"}
    iris: dict[str, str] = {}
    condition = ""
    for name in ("subject", "object"):
        if name not in wanted:
            continue
        try:
            iris[name] = await naming.find_thing(engine, contents, wanted[name])
        except KGError:
            if name == "subject":
                raise
            condition = f"FILTER(STR(?o) = {Literal(wanted[name]).n3()})"
    if "predicate" in wanted:
        iris["predicate"] = naming.find_property(contents, wanted["predicate"])
    terms |= {name: f"<{iri}>" for name, iri in iris.items()}
    pattern = f"{terms['subject']} {terms['predicate']} {terms['object']} {condition}"
    rows = await select(
        engine,
        f"SELECT DISTINCT ?graph WHERE {{ GRAPH ?graph {{ {pattern} }} "
        f"FILTER(?graph NOT IN (<{names.VOID_GRAPH}>, <{names.EXAMPLES_GRAPH}>, <{names.SHAPES_GRAPH}>)) }} "
        "ORDER BY ?graph",
    )
    graphs = [row["graph"].value for row in rows]
    claims = [one for one in graphs if one.startswith(names.CLAIM)]
    if claims:
        return claims, ""
    return await _find_near_claims(state, graphs, iris)


async def _find_near_claims(
    state: State, graphs: Sequence[str], iris: Mapping[str, str]
) -> tuple[list[str], str]:
    if not graphs:
        said = "The graph does not hold this statement."
    elif graphs == [names.INFERRED_GRAPH]:
        said = "No claim states this: it is inferred."
    else:
        said = f"No claim states this: it stands in {', '.join(map(state.contents.label, graphs))}."
    ends = [iris[name] for name in ("subject", "object") if name in iris]
    if len(ends) < 2:
        return [], said
    values = " ".join(f"<{one}>" for one in ends)
    rows = await select(
        state.engine,
        f"""SELECT ?claim WHERE {{
  VALUES ?end {{ {values} }}
  {{ GRAPH ?claim {{ ?end ?p ?o }} }} UNION {{ GRAPH ?claim {{ ?s ?p ?end }} }}
  FILTER(STRSTARTS(STR(?claim), "{names.CLAIM}"))
}}
GROUP BY ?claim
HAVING (COUNT(DISTINCT ?end) = 2)
ORDER BY ?claim""",
    )
    found = [row["claim"].value for row in rows]
    return (
        found,
        f"{said} These claims speak of both things." if found else f"{said} No claim speaks of both things.",
    )


async def tell_claims(state: State, claims: Sequence[str]) -> list[dict[str, Any]]:
    """Return claims with what they say."""
    contents = state.contents
    receipts = await read_receipts(state.engine, claims) if claims else {}
    told = []
    for one in claims:
        rows = await read_graph(state.engine, one, limit=_TRIPLES_PER_CLAIM)
        says = [
            [results.tell_term(row[name], contents) for name in ("subject", "predicate", "object")]
            for row in rows
        ]
        told.append({**results.tell_receipt(receipts[one], contents), "says": says})
    return told
