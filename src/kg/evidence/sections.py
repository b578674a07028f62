"""Sections: where the headings that the name authority knows stand in the reference text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyoxigraph import Store

from kg.evidence.anchor import Letters
from kg.evidence.canon import Lines, parts
from kg.evidence.passages import Span, document_iri, select
from kg.names import ENTITIES_GRAPH, LAT, RDFS

_SECTIONS = f"""
SELECT ?section ?label
WHERE {{
  GRAPH <{ENTITIES_GRAPH}> {{
    ?section a <{LAT}Section> ;
             <{RDFS}label> ?label .
  }}
  FILTER(STRSTARTS(STR(?section), "DOCUMENT/"))
}}
ORDER BY ?section ?label
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a text, from its heading to the next; offsets in code points."""

    iri: str
    label: str
    heading: Span
    end: int

    @property
    def span(self) -> Span:
        """The section with its heading."""
        return Span(self.heading.start, self.end)


def load_sections(store: Store, document: str, text: str) -> list[Section]:
    """List the sections of a document whose headings stand in a text, in text order."""
    rows = select(store, _SECTIONS.replace("DOCUMENT", document_iri(document)))
    return locate_sections(text, [(row["section"], row["label"]) for row in rows])


def locate_sections(text: str, headings: Iterable[tuple[str, str]]) -> list[Section]:
    """
    Find each heading, given as (IRI, words), and cut the text there.

    A heading is a line of its own, the last such line where a table of contents repeats it; failing
    that, the end or the beginning of a line. What is not found is left out.

    >>> text = "Otters\\nDucks\\nOtters\\nThey swim.\\nDucks\\nThey fly."
    >>> found = locate_sections(text, [("d", "Ducks"), ("o", "Otters")])
    >>> [(one.label, one.heading.start, one.end) for one in found]
    [('Otters', 13, 31), ('Ducks', 31, 46)]
    >>> locate_sections(text, [])
    []
    """
    pieces = parts(text)
    letters, lines = Letters(pieces), Lines(text)
    numbers = [0, *(lines.number(one.start) for one in pieces), 0]
    found: dict[str, tuple[Span, str]] = {}
    for iri, label in headings:
        best = _best(letters.find_all(label), numbers)
        if best is not None:
            first, last = best
            found[iri] = (Span(pieces[first].start, pieces[last].end), label)
    ordered = sorted(found.items(), key=lambda one: (one[1][0].start, one[0]))
    ends = [*(heading.start for _, (heading, _) in ordered[1:]), len(text)][: len(ordered)]
    return [
        Section(iri, label, heading, end) for (iri, (heading, label)), end in zip(ordered, ends, strict=True)
    ]


def find_section(sections: Sequence[Section], offset: int) -> Section | None:
    """Return the section that holds an offset, or None before the first heading."""
    holding = [one for one in sections if one.heading.start <= offset < one.end]
    return holding[-1] if holding else None


def _best(hits: list[tuple[int, int]], numbers: list[int]) -> tuple[int, int] | None:
    """Return the likeliest: a whole line, else a line's end, else its beginning; the last such."""

    def rank(hit: tuple[int, int]) -> tuple[int, int]:
        opens = numbers[hit[0]] != numbers[hit[0] + 1]
        closes = numbers[hit[1] + 2] != numbers[hit[1] + 1]
        return (2 * closes + opens, hit[0])

    fitting = [hit for hit in hits if rank(hit)[0] > 0]
    return max(fitting, key=rank) if fitting else None
