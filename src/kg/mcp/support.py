"""
Support: the claims that stand behind the rows of an answer, as far as the rows show it.

A row that names a claim or a passage is supported by it. For any other row this finds the claims whose own
graph speaks of two of the things in the row, or of one and a text of it. Such a claim is where to look: it is
no proof that the whole row follows from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rdflib import Literal, URIRef

from kg import names
from kg.contents import Row, Runner, Term, select

CLAIMS_PER_ROW = 3
NAMED, SPEAKS, NOTHING = "named", "speaks", "none"
_MAX_MENTIONS = 20_000
_NUMBERS = frozenset(names.XSD + name for name in ("integer", "decimal", "double", "float", "boolean"))

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Support:
    """
    The claims behind one row.

    Args:
        claims: Their IRIs, those that speak of most first.
        more: How many more there are.
        basis: `named` where the row names them, `speaks` where they speak of what stands in it, `none`.
    """

    claims: tuple[str, ...] = ()
    more: int = 0
    basis: str = NOTHING


@dataclass(frozen=True, slots=True)
class _Wanted:
    """
    What a claim behind a row may mention.

    Args:
        things: What the row names.
        about: What the question names.
        texts: Its texts and dates.
        extras: Its numbers, and its terms of the ontology: they say which of two claims says more.
        documents: The slugs of the documents that it names: claims of others do not support it.
    """

    things: frozenset[Key]
    about: frozenset[Key]
    texts: Mapping[Key, Term]
    extras: frozenset[Key]
    documents: frozenset[str]

    def weigh(self, claim: str, mentioned: Collection[Key]) -> tuple[int, frozenset[Key]] | None:
        """
        Say how much of the row a claim mentions, and what, or None where that is too little.

        A thing and a term of the ontology, such as its class, is the least, and weighs 1.
        """
        if self.documents and claim.removeprefix(names.CLAIM).split("/")[0] not in self.documents:
            return None
        own = {one for one in mentioned if one in self.things or one in self.texts}
        weighty = own | {one for one in mentioned if one in self.about}
        extras = {one for one in mentioned if one in self.extras}
        if not own or (len(weighty) < 2 and not any(kind == "uri" for kind, _ in extras)):
            return None
        return len(weighty), frozenset(weighty | extras)


async def find_support(engine: Runner, rows: Sequence[Row], about: Collection[str] = ()) -> list[Support]:
    """
    Find the claims behind each row.

    Args:
        engine: What runs queries.
        rows: The rows.
        about: IRIs that the question names, which need not stand in its rows.
    """
    by_passage = await _claims_of_passages(engine, rows)
    named = [_named(row, by_passage) for row in rows]
    wanted = [_wanted(row, about) for row in rows]
    others = [one for one, claims in zip(wanted, named, strict=True) if not claims]
    mentions = await _read_mentions(engine, others) if others else _Mentions()
    return [
        _cut(claims, NAMED) if claims else mentions.support(one)
        for one, claims in zip(wanted, named, strict=True)
    ]


def _named(row: Row, by_passage: Mapping[str, Sequence[str]]) -> list[str]:
    iris = [one.value for one in row.values() if one.is_iri]
    claims = [iri for iri in iris if iri.startswith(names.CLAIM)]
    return claims or [claim for iri in iris for claim in by_passage.get(iri, ())]


async def _claims_of_passages(engine: Runner, rows: Sequence[Row]) -> dict[str, list[str]]:
    passages = {
        one.value
        for row in rows
        for one in row.values()
        if one.is_iri and one.value.startswith(names.PASSAGE)
    }
    if not passages:
        return {}
    values = " ".join(f"<{one}>" for one in sorted(passages))
    found = await select(
        engine,
        f"SELECT ?claim ?passage WHERE {{ VALUES ?passage {{ {values} }} "
        f"?claim <{names.LAT}evidence> ?passage }} ORDER BY ?claim ?passage",
    )
    claims: dict[str, list[str]] = {}
    for row in found:
        claims.setdefault(row["passage"].value, []).append(row["claim"].value)
    return claims


def _cut(claims: Iterable[str], basis: str) -> Support:
    every = list(dict.fromkeys(claims))
    return Support(tuple(every[:CLAIMS_PER_ROW]), max(0, len(every) - CLAIMS_PER_ROW), basis)


def _wanted(row: Row, about: Collection[str]) -> _Wanted:
    cells = [one for name, one in row.items() if not _is_label(name, row)]
    iris = [one.value for one in cells if one.is_iri]
    things = [one for one in iris if not one.startswith((names.LAT, names.DOCUMENT))]
    literals = [one for one in cells if one.kind == "literal"]
    return _Wanted(
        things=frozenset(("uri", one) for one in things),
        about=frozenset(("uri", one) for one in about if not one.startswith((names.LAT, names.DOCUMENT))),
        texts={_key(one): one for one in literals if one.datatype not in _NUMBERS},
        extras=frozenset(
            [("uri", one) for one in iris if one.startswith(names.LAT)]
            + [_key(one) for one in literals if one.datatype in _NUMBERS]
        ),
        documents=frozenset(
            one.removeprefix(names.DOCUMENT).split("/")[0]
            for one in [*iris, *about]
            if one.startswith(names.DOCUMENT)
        ),
    )


def _is_label(name: str, row: Row) -> bool:
    return name.endswith("Label") and name.removesuffix("Label") in row


def _key(term: Term) -> Key:
    return term.kind, term.value


@dataclass
class _Mentions:
    """What each claim mentions of what stands in some rows."""

    by_claim: dict[str, set[Key]] = field(default_factory=dict)
    by_item: dict[Key, set[str]] = field(default_factory=dict)

    def add(self, claim: str, terms: Iterable[Term]) -> None:
        """Take what one triple of a claim mentions."""
        for term in terms:
            key = _key(term)
            self.by_claim.setdefault(claim, set()).add(key)
            self.by_item.setdefault(key, set()).add(claim)

    def support(self, wanted: _Wanted) -> Support:
        """List the claims that mention enough of a row, less those that mention part of what another does."""
        claims = {claim for item in [*wanted.things, *wanted.texts] for claim in self.by_item.get(item, ())}
        weighed = {claim: found for claim in claims if (found := wanted.weigh(claim, self.by_claim[claim]))}
        least = min(2, max((weight for weight, _ in weighed.values()), default=0))
        tolds = {told for _, told in weighed.values()}
        best = {
            claim: (weight, told)
            for claim, (weight, told) in weighed.items()
            if weight >= least and not any(told < other for other in tolds)
        }
        ranked = sorted(best, key=lambda claim: (-best[claim][0], -len(best[claim][1]), claim))
        return _cut(ranked, SPEAKS) if ranked else Support()


def _write(text: Term) -> str:
    """Write a literal just as the store holds it."""
    datatype = URIRef(text.datatype) if text.datatype else None
    return Literal(text.value, lang=text.language, datatype=datatype, normalize=False).n3()


async def _read_mentions(engine: Runner, wanted: Sequence[_Wanted]) -> _Mentions:
    """Read the triples of claims that have one of the rows' things, or one of their texts."""
    things = sorted({iri for one in wanted for _, iri in one.things | one.about})
    texts = sorted({_write(text) for one in wanted for text in one.texts.values()})
    mentions = _Mentions()
    if not things and not texts:
        return mentions
    iris, literals = " ".join(URIRef(one).n3() for one in things), " ".join(texts)
    rows = await select(
        engine,
        f"""SELECT DISTINCT ?claim ?s ?p ?o
WHERE {{
  {{ VALUES ?s {{ {iris} }} GRAPH ?claim {{ ?s ?p ?o }} }}
  UNION {{ VALUES ?o {{ {iris} {literals} }} GRAPH ?claim {{ ?s ?p ?o }} }}
  FILTER(STRSTARTS(STR(?claim), "{names.CLAIM}"))
}}
LIMIT {_MAX_MENTIONS}""",
    )
    for row in rows:
        mentions.add(row["claim"].value, (row["s"], row["p"], row["o"]))
    return mentions
