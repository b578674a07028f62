"""Results: rows, claims and passages as JSON values, bounded, with labels beside IRIs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kg import names
from kg.api.portraits import Evidence, Receipt
from kg.contents import Contents, Row, Term
from kg.mcp.support import NAMED, NOTHING, SPEAKS, Support

MAX_TEXT = 2_000
_INTEGER = names.XSD + "integer"
_BOOLEAN = names.XSD + "boolean"
BASES = {
    NAMED: "the row names its claim or passage",
    SPEAKS: "these claims speak of what stands in the row, or of it and of what was asked; "
    "read them before saying that the row rests on them",
    NOTHING: "no one claim speaks of two of the things in the row: "
    "it counts, is inferred, or rests on several claims or on open data",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One result: as JSON values and as Markdown."""

    values: dict[str, Any]
    text: str


def tell_term(term: Term, contents: Contents) -> Any:
    """Return a term as a JSON value: an IRI with its label, a number, a truth value or a text."""
    if term.is_iri:
        return {"label": contents.label(term.value), "iri": term.value}
    if term.datatype == _INTEGER and len(term.value) < 16:
        return int(term.value)
    if term.datatype == _BOOLEAN:
        return term.value in ("true", "1")
    return term.value if len(term.value) <= MAX_TEXT else term.value[:MAX_TEXT] + "…"


def tell_row(row: Row, columns: Sequence[str], contents: Contents, support: Support) -> dict[str, Any]:
    """Return one row: its cells, and the claims behind it with what they have to do with it."""
    told: dict[str, Any] = {
        "cells": {name: tell_term(row[name], contents) for name in columns if name in row},
        "basis": support.basis,
        "claims": [contents.prefixes.compress(one) for one in support.claims],
    }
    if support.more:
        told["more_claims"] = support.more
    return told


def tell_receipt(receipt: Receipt, contents: Contents) -> dict[str, Any]:
    """Return what stands behind a claim: status, curator, day, passages."""
    return _given(
        {
            "claim": contents.prefixes.compress(receipt.claim),
            "iri": receipt.claim,
            "status": contents.label(receipt.status) if receipt.status else None,
            "curator": contents.label(receipt.curator) if receipt.curator else None,
            "curated_on": receipt.curated_on,
            "passages": [tell_passage(one, contents) for one in receipt.evidence],
        }
    )


def tell_passage(one: Evidence, contents: Contents) -> dict[str, Any]:
    """Return where a passage is found; its text is not ours to give."""
    return _given(
        {
            "passage": contents.prefixes.compress(one.iri),
            "document": contents.label(one.document),
            "section": contents.label(one.section) if one.section else None,
            "page": one.page,
            "footnote": one.footnote,
            "first_words": one.first,
            "last_words": one.last,
            "word_count": one.word_count,
            "link": one.link,
        }
    )


def tell_evidence(
    supports: Collection[Support], receipts: Mapping[str, Receipt], contents: Contents
) -> dict[str, Any]:
    """Return the claims behind some rows, each once, and what each basis means that occurs."""
    claims = dict.fromkeys(claim for one in supports for claim in one.claims)
    return {
        "bases": {name: text for name, text in BASES.items() if any(one.basis == name for one in supports)},
        "claims": [tell_receipt(receipts[one], contents) for one in claims if one in receipts],
    }


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
