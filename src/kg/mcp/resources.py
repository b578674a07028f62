"""Resources: lists that a client may read without a question: questions, terms, documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from kg import names
from kg.api.portraits import read_sections, read_terms
from kg.api.state import State
from kg.contents import select
from kg.errors import NotFoundError
from kg.mcp import texts
from kg.mcp.tools import tool_name

SPACE = "lateral://"
MARKDOWN = "text/markdown"


@dataclass(frozen=True, slots=True)
class Readable:
    """A list that may be read: its address, name, title and what it holds."""

    uri: str
    name: str
    title: str
    description: str


def list_readable(state: State) -> list[Readable]:
    """List what may be read: three lists, and each document."""
    fixed = [
        Readable(f"{SPACE}questions", "questions", "Questions", "Every question that is kept, with its tool"),
        Readable(f"{SPACE}ontology", "ontology", "Terms", "Every class and property with its definition"),
        Readable(f"{SPACE}documents", "documents", "Documents", "The documents that claims rest on"),
    ]
    contents = state.contents
    documents = [
        Readable(
            f"{SPACE}documents/{iri.removeprefix(names.DOCUMENT)}",
            iri.removeprefix(names.DOCUMENT),
            contents.label(iri),
            "Its sections, with how many passages and claims each has; its text is not held",
        )
        for iri in _documents(state)
    ]
    return [*fixed, *documents]


async def read(state: State, uri: str) -> str:
    """
    Return a list as Markdown.

    Raises:
        NotFoundError: There is no such list.
    """
    path = uri.removeprefix(SPACE)
    known: Mapping[str, Callable[[State], Awaitable[str]]] = {
        "questions": _questions,
        "ontology": _terms,
        "documents": _list_documents,
    }
    if path in known:
        return await known[path](state)
    iri = names.DOCUMENT + path.removeprefix("documents/")
    if path.startswith("documents/") and iri in _documents(state):
        return await _sections(state, iri)
    near = [one.uri for one in list_readable(state)]
    raise NotFoundError(f"nothing is at {uri}: expected one of {', '.join(near)}.", name=uri, near=near)


def _documents(state: State) -> list[str]:
    kinds = state.contents.kinds
    return sorted(iri for iri, kind in kinds.items() if kind == names.LAT + "SourceDocument")


async def _questions(state: State) -> str:
    known = state.contents.templates.values()
    rows = [[one.sentence(), tool_name(one.key), ", ".join(one.parameters)] for one in known]
    return texts.table(["question", "tool", "parameters"], rows)


async def _terms(state: State) -> str:
    contents = state.contents
    found: dict[str, list[str]] = {}
    for row in await read_terms(state.engine):
        term = row["term"].value
        told = found.setdefault(
            term,
            [contents.prefixes.compress(term), contents.label(row["kind"].value), contents.label(term), ""],
        )
        if "what" in row and row["what"].value == names.SKOS + "definition":
            told[3] = row["value"].value
    return texts.table(["term", "kind", "label", "definition"], found.values())


async def _list_documents(state: State) -> str:
    contents = state.contents
    rows = []
    for iri in _documents(state):
        found = await select(
            state.engine, f"SELECT ?url WHERE {{ <{iri}> <{names.LAT}url> ?url }} ORDER BY ?url LIMIT 1"
        )
        rows.append(
            [contents.label(iri), contents.prefixes.compress(iri), found[0]["url"].value if found else ""]
        )
    return texts.table(["title", "name", "address"], rows)


async def _sections(state: State, iri: str) -> str:
    contents = state.contents
    rows = [
        [contents.label(row["section"].value), row["passages"].value, row["claims"].value]
        for row in await read_sections(state.engine, iri)
        if "section" in row
    ]
    return (
        f"**{texts.escape(contents.label(iri))}**\n\n{texts.table(['section', 'passages', 'claims'], rows)}"
    )
