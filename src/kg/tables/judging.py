"""A table to a verdict: what is asked is answered first, if somebody is there to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from kg import names
from kg.errors import Edit, Problem
from kg.tables.questions import Candidate, Question
from kg.tables.reading import TableReading, mend_table, read
from kg.tables.wording import plain_problem
from kg.validation import Published, Verdict, judge

SUFFIXES = (".csv", ".tsv", ".xlsx", ".xlsm", ".xls", ".ods")
_STARTS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_MAX_ROUNDS = 50

Answerer = Callable[[Question], Candidate | None]


@dataclass(frozen=True)
class TableVerdict:
    """
    What is said of a table.

    Args:
        reading: The table, with what was answered in its cells.
        verdict: Its problems in words without RDF, and what it says.
    """

    reading: TableReading
    verdict: Verdict

    @property
    def documents(self) -> Mapping[str, str]:
        """The copies that passages were found in: slug to text."""
        return self.reading.documents


def is_table(content: bytes, path: PurePath) -> bool:
    """
    Tell whether a file is a table, by its suffix, else by its first bytes.

    >>> is_table(b"", PurePath("a.csv")), is_table(b"", PurePath("a.trig"))
    (True, False)
    """
    return path.suffix.lower() in SUFFIXES or content.startswith(_STARTS)


def judge_table(
    content: bytes,
    *,
    path: Path,
    published: Published,
    documents: Mapping[str, str] | None = None,
    answer: Answerer | None = None,
) -> TableVerdict:
    """
    Read and judge a table.

    Args:
        content: The bytes as sent.
        path: The file's name.
        published: What it is held against.
        documents: Copies that came along: slug, file name or its stem, to text.
        answer: Asked once for each name that may mean several things; None leaves it a problem. What is
            answered is told as a note, for the bytes stay as they were sent.
    """
    reading = read(content, path=path, published=published, documents=documents)
    mend = mend_table(published, documents)
    notes: list[Problem] = []
    given: dict[tuple[str, tuple[str, ...]], Candidate | None] = {}
    for _ in range(_MAX_ROUNDS if answer else 0):
        edits: dict[str, Edit] = {}  # a cell at a time: an edit writes the whole of it
        for question in reading.questions:
            key = (question.text, tuple(one.iri for one in question.candidates))
            if question.cell in edits:
                continue
            if key not in given:
                assert answer is not None
                given[key] = answer(question)
            chosen = given[key]
            if chosen is None:
                continue
            edit = next(one.edit for one in question.candidates if one.iri == chosen.iri)
            edits[question.cell] = edit
            notes.append(_note(question, chosen, edit, path))
        if not edits:
            break
        mended = mend(reading, list(edits.values()))
        assert isinstance(mended, TableReading)
        reading = mended
    verdict = judge(reading, published, documents=reading.documents, mend=mend)
    label = _labels(published, reading)
    told = [plain_problem(one, published.prefixes, label) for one in verdict.problems]
    ordered = tuple(sorted([*notes, *told], key=reading.order))
    return TableVerdict(reading, replace(verdict, problems=ordered))


def _labels(published: Published, reading: TableReading) -> Callable[[str], str | None]:
    """Return what finds the label of a term, of a thing, or of what the table itself names."""
    own = {
        one.subject.value: one.object.value
        for one in reading.statements
        if one.predicate.value == names.RDFS + "label"
    }

    def label(iri: str) -> str | None:
        return own.get(iri) or published.find_label(iri)

    return label


def _note(question: Question, chosen: Candidate, edit: Edit, path: Path) -> Problem:
    return Problem(
        f"“{question.text}” was answered: {chosen.label}, {chosen.kind}.",
        path,
        edit.line,
        edit.column,
        code="answered",
        level="note",
        end_line=edit.end_line,
        end_column=edit.end_column,
        cell=question.cell,
        subject=chosen.iri,
        label=chosen.label,
        found=question.text,
    )
