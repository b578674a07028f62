"""Search forgives what people do to names, and nothing more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.search import Index, fold

ROWS = [
    ("id:cote-d-ivoire", "Côte d’Ivoire", "State", False),
    ("id:cote-d-ivoire", "Ivory Coast", "State", True),
    ("id:tromso", "Tromsø", "Place", False),
    ("id:harbour-club", "Harbour Club for Quiet Ports", "Grouping", False),
    ("id:harbour-club", "HCQP", "Grouping", True),
    ("id:niue", "Niue", "State", False),
    ("id:nauru", "Nauru", "State", False),
]
INDEX = Index.from_rows(ROWS)


@pytest.mark.parametrize(
    ("typed", "iri"),
    [
        ("COTE D'IVOIRE", "id:cote-d-ivoire"),
        ("cote d ivoire", "id:cote-d-ivoire"),
        ("ivory coast", "id:cote-d-ivoire"),
        ("tromso", "id:tromso"),
        ("hcqp", "id:harbour-club"),
        ("quiet ports", "id:harbour-club"),
        ("harbor club for quiet ports", "id:harbour-club"),
        ("ports harbour", "id:harbour-club"),
        ("naurru", "id:nauru"),
    ],
)
def test_find_puts_the_thing_first_when_the_name_is_near(typed: str, iri: str) -> None:
    """Case, accents, word order, acronyms and small misspellings are forgiven."""
    assert INDEX.find(typed)[0].iri == iri


def test_find_returns_the_preferred_label_when_an_alias_matched() -> None:
    """The label shown is the preferred one, and an alias scores below a preferred label."""
    match = INDEX.find("Ivory Coast")[0]
    assert (match.label, match.score) == ("Côte d’Ivoire", 99.0)


def test_find_is_empty_when_nothing_is_near() -> None:
    """No match is better than a wrong one."""
    assert INDEX.find("zzzzqq") == []
    assert INDEX.find("  ?! ") == []


def test_find_among_a_few_tells_of_short_names_with_a_slip() -> None:
    """Where the kind is known, what is less near is told too."""
    index = Index.from_rows([("id:g20", "G20", "InformalForum", False), ("id:niue", "Niue", "State", False)])
    assert index.find("G21") == []
    assert [one.iri for one in index.find("G21", among={"id:g20", "id:niue"})] == ["id:g20"]


def test_find_keeps_to_kinds_and_iris_when_asked() -> None:
    """Filters hold, and each thing is listed once."""
    assert {one.iri for one in INDEX.find("n", kinds={"State"}, limit=50)} <= {"id:niue", "id:nauru"}
    assert [one.iri for one in INDEX.find("nauru", among={"id:niue"})] in ([], ["id:niue"])
    found = [one.iri for one in INDEX.find("co", limit=50)]
    assert len(found) == len(set(found))


@given(st.text(max_size=40))
def test_find_never_fails_when_text_is_arbitrary(text: str) -> None:
    """Any text gives a list sorted by score, and folding twice is folding once."""
    scores = [one.score for one in INDEX.find(text)]
    assert scores == sorted(scores, reverse=True)
    assert fold(fold(text)) == fold(text)
