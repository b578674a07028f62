"""Tests of `kg.names`: IRIs and prefixed names, there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import NotFoundError
from kg.names import BASE, ID, LAT, Prefixes, load_prefixes, slugify

PREFIXES = Prefixes({"lat": LAT, "id": ID, "base": BASE})


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_\-]*", fullmatch=True), st.sampled_from([LAT, ID, BASE]))
def test_compress_then_expand_gives_the_iri(local: str, namespace: str) -> None:
    """What is shortened comes back."""
    assert PREFIXES.expand(PREFIXES.compress(namespace + local)) == namespace + local


@pytest.mark.parametrize("iri", ["http://elsewhere/x", ID, ID + "a/b", ID + "a.b", ID + "é"])
def test_compress_leaves_what_it_cannot_shorten(iri: str) -> None:
    """No prefixed name is written that would need an escape."""
    assert PREFIXES.compress(iri) == iri


def test_expand_refuses_an_unknown_prefix() -> None:
    """The known ones are listed."""
    with pytest.raises(NotFoundError, match="base, id, lat"):
        PREFIXES.expand("wd:Q1")


def test_load_prefixes_reads_every_declaration(project: Path) -> None:
    """The map of the small project; a file without one is refused."""
    found = load_prefixes(project / "ontology" / "prefixes.ttl")
    assert len(found) == found_in(project)
    assert "PREFIX id: <https://w3id.org/lateral/id/>\n" in found.header()
    with pytest.raises(NotFoundError):
        load_prefixes(project / "data" / "entities" / "person.ttl")


def found_in(project: Path) -> int:
    """Count the declarations of a project by another way."""
    return (project / "ontology" / "prefixes.ttl").read_text(encoding="utf-8").count("sh:prefix ")


@given(st.text(max_size=40))
def test_slugify_makes_slugs_and_keeps_them(text: str) -> None:
    """A slug is lower-case words with hyphens; making one of a slug changes nothing."""
    slug = slugify(text)
    assert slugify(slug) == slug
    assert slug.strip("-") == slug and slug == slug.lower() and slug.isascii()
