"""The claims of a table: which rows make one, where the document says it, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kg import names
from kg.errors import Problem
from kg.tables.blocks import Row
from kg.tables.naming import Answer, Near
from kg.tables.passages import Miss, Passages, Place
from kg.tables.sheets import Cell
from kg.tables.things import Things
from kg.tables.values import Fault, read_value
from kg.turtle import Places, Statement, Term

DRAFT_CLAIM = names.CLAIM + "draft/"
DRAFT_PASSAGE = names.PASSAGE + "draft/"
_TYPE = names.RDF + "type"
_STATED = names.CONCEPT + "status/stated"
_SECTION = names.LAT + "Section"
_WORDS = ("first-words", "last-words")
_PLACES = ("document", *_WORDS, "section", "footnote", "page")


@dataclass
class Claim:
    """What is known of one claim: its rows, its document, its passages with the cells that gave them."""

    iri: str
    first: Row
    documents: dict[str, Cell] = field(default_factory=dict)
    passages: dict[str, Cell] = field(default_factory=dict)
    statuses: dict[str, Cell] = field(default_factory=dict)
    notes: list[Cell] = field(default_factory=list)
    is_sound: bool = True


class Claims:
    """
    Collects claims and passages row by row.

    Args:
        things: What the rows are about.
        copies: Texts that came with the table: slug, file name or stem to text.
    """

    def __init__(self, things: Things, copies: Mapping[str, str]) -> None:
        self.things, self.naming, self.path = things, things.naming, things.path
        self.published = things.published
        self.problems: list[Problem] = []
        self._passages = Passages(
            self.published, {names.DOCUMENT + key: text for key, text in copies.items()}
        )
        self._claims: dict[str, Claim] = {}
        self._made: dict[Place, str] = {}
        self._said: list[Statement] = []
        self._headings: dict[str, str] = {}
        self._copyless: set[str] = set()

    def begin(self) -> None:
        """Take over the documents that the table brings."""
        own = {names.DOCUMENT + slug: text for slug, text in self.things.documents.items()}
        self._passages.copies = {**self._passages.copies, **own}
        self._passages.new = set(own)

    def add(self, row: Row) -> Term:
        """Add a row to its claim, and return the claim's name."""
        word = row.text("claim")
        key = f"={word.casefold()}" if word else f"#{row.first.address}"
        claim = self._claims.get(key)
        if claim is None:
            claim = self._claims[key] = Claim(f"{DRAFT_CLAIM}{len(self._claims) + 1}", row)
        status, note = row.cell("status"), row.cell("note")
        if status:
            self._add_status(claim, status)
        if note:
            claim.notes.append(note)
        if any(row.cell(one) for one in _PLACES):
            self._add_passage(claim, row)
        return Term("iri", claim.iri)

    # --- evidence ----------------------------------------------------------------------------------

    def _add_status(self, claim: Claim, cell: Cell) -> None:
        kind = (names.LAT + "EpistemicStatus",)
        answer = self.naming.resolve(cell.text, kind)
        if not answer.iri or answer.code:
            near = answer.near or tuple(
                Near(iri, 0.0) for iri, one in sorted(self.published.known.items()) if one in kind
            )
            self.things.ask(cell, [cell.text], 0, Answer("", "doubtful-name", near), "status", kind)
            return
        claim.statuses[answer.iri] = cell
        if len(claim.statuses) > 1:
            self._tell(
                cell,
                "two-statuses",
                "the rows of this claim give two statuses: expected one.",
                "make them alike, or make two claims.",
            )

    def _add_passage(self, claim: Claim, row: Row) -> None:
        claim.is_sound = False  # until the passage is there: what is wrong is told once
        document = self._document(claim, row)
        if document is None or not (document in self._passages.new or document in self.published.known):
            return  # a new document without its copy is told of where it is named
        place = self._place(row, document)
        if place is None:
            return
        cell = row.cell("first-words") or row.cell("section") or row.cell("document") or row.first
        if place not in self._made:
            said = self._passages.describe(place, self._headings)
            if isinstance(said, Miss):
                self._tell(row.cell(said.column) or cell, said.code, said.message, said.fix)
                return
            self._made[place] = f"{DRAFT_PASSAGE}{len(self._made) + 1}"
            self._state_passage(self._made[place], document, said, row, cell)
        claim.passages.setdefault(self._made[place], cell)
        claim.is_sound = True

    def _document(self, claim: Claim, row: Row) -> str | None:
        cell = row.cell("document")
        if cell is None:
            if len(claim.documents) == 1:
                return next(iter(claim.documents))
            self._tell(
                row.at("document"),
                "missing-cell",
                "“document” is empty in this row: expected where this is said.",
                "write the title or the slug of the document; of merged cells only the first holds it.",
            )
            return None
        kind = (names.LAT + "SourceDocument",)
        slug = names.DOCUMENT + cell.text
        answer = Answer(slug) if self.naming.kind(slug) in kind else self.naming.resolve(cell.text, kind)
        if not answer.iri or answer.code:
            self.things.ask(cell, [cell.text], 0, answer, "document", kind)
            return None
        claim.documents.setdefault(answer.iri, cell)
        if len(claim.documents) > 1:
            self._tell(
                cell,
                "two-documents",
                "the rows of this claim name two documents: expected one.",
                "make two claims.",
            )
        return answer.iri

    def _place(self, row: Row, document: str) -> Place | None:
        """Return where a row's passage stands; None where that is told as a problem."""
        first, last = row.cell("first-words"), row.cell("last-words")
        if (first is None) != (last is None):
            missing = "last words" if first else "first words"
            self._tell(
                row.at(names.slugify(missing)),
                "missing-cell",
                f"“{missing}” is empty in this row: expected both or neither.",
                f"fill “{missing}”.",
            )
            return None
        note, section = row.cell("footnote"), row.cell("section")
        number = ""
        if note:
            value = read_value(note.text, "integer")
            if isinstance(value, Fault) or int(value.value) < 1:
                self._tell(
                    note, "bad-number", f"“{note.text}” is no number of a footnote.", "write it in digits."
                )
                return None
            number = value.value
        heading = self._section(section, document, row) if section else ""
        if heading is None:
            return None
        if first and self._passages.text(document) is None and document not in self._copyless:
            self._copyless.add(document)
            self.problems.append(
                first.problem(
                    self.path,
                    "no-copy",
                    f"no copy of {self.naming.label(document)} is at hand: passages are kept by section, "
                    "footnote and page, and cannot be proved.",
                    level="note",
                    fix="send your copy: kg contribute … --document FILE.",
                )
            )
        return Place(
            document,
            first.text if first else "",
            last.text if last else "",
            heading,
            number,
            row.text("page"),
        )

    def _section(self, cell: Cell, document: str, row: Row) -> str | None:
        """Return the section of a heading; a document that the table brings gets the heading as a new one."""
        iri = f"{document}/{names.slugify(cell.text)}"
        if document in self._passages.new:
            if iri not in self._headings:
                self._headings[iri] = cell.text
                self._state(None, iri, _TYPE, Term("iri", _SECTION), row, cell)
                label = Term("literal", " ".join(cell.text.split()), language="en")
                self._state(None, iri, names.RDFS + "label", label, row, cell)
                self._state(None, iri, names.LAT + "sectionOf", Term("iri", document), row, cell)
            return iri
        known = [one for one, kind in self.published.known.items() if kind == _SECTION]
        known = [one for one in known if one.startswith(f"{document}/")]
        if iri in known:
            return iri
        exact = [one for one in self.naming.exact(cell.text, (_SECTION,)) if one in known]
        if len(exact) == 1:
            return exact[0]
        found = self.published.find(cell.text, among=exact or known, limit=5)
        near = tuple(Near(one.iri, one.score) for one in found)
        if not near:
            self._tell(
                cell,
                "unknown-name",
                f"“{cell.text}” is no section of {self.naming.label(document)} that is known.",
                "leave it empty where first and last words are given: it is found by itself.",
            )
            return None
        self.things.ask(cell, [cell.text], 0, Answer("", "doubtful-name", near), "section", (_SECTION,))
        return None

    def _state_passage(
        self, iri: str, document: str, said: list[tuple[str, Term]], row: Row, cell: Cell
    ) -> None:
        selector = f"{iri}#selector"
        self._state(None, iri, _TYPE, Term("iri", names.LAT + "Passage"), row, cell)
        self._state(
            None, iri, names.OA + "hasSource", Term("iri", document), row, row.cell("document") or cell
        )
        offsets = (names.OA + "start", names.OA + "end")
        if any(one in offsets for one, _ in said):
            self._state(None, iri, names.OA + "hasSelector", Term("iri", selector), row, cell)
            self._state(None, selector, _TYPE, Term("iri", names.OA + "TextPositionSelector"), row, cell)
        columns = {
            names.LAT + "lastWords": "last-words",
            names.LAT + "inSection": "section",
            names.LAT + "footnoteNumber": "footnote",
            names.LAT + "page": "page",
            names.OA + "end": "last-words",
        }
        for predicate, value in said:
            at = row.cell(columns.get(predicate, "")) or cell
            self._state(None, selector if predicate in offsets else iri, predicate, value, row, at)

    # --- records -------------------------------------------------------------------------------------

    def statements(self) -> list[Statement]:
        """Return the records of the claims, and their passages; tell which claims lack evidence."""
        for claim in self._claims.values():
            row, lat = claim.first, names.LAT
            if not claim.passages:
                if claim.is_sound:
                    self._tell(
                        row.at("document"),
                        "missing-evidence",
                        "it is not said which document says this: expected a document and a passage.",
                        "fill “document”, “first words” and “last words”.",
                    )
                continue
            document, cell = next(iter(claim.documents.items()))
            self._state(None, claim.iri, _TYPE, Term("iri", lat + "Claim"), row, row.subject)
            self._state(None, claim.iri, lat + "statedIn", Term("iri", document), row, cell)
            for passage, where in claim.passages.items():
                self._state(None, claim.iri, lat + "evidence", Term("iri", passage), row, where)
            status, at = next(iter(claim.statuses.items()), (_STATED, row.subject))
            self._state(None, claim.iri, lat + "epistemicStatus", Term("iri", status), row, at)
            for note in claim.notes:
                text = Term("literal", " ".join(note.text.split()), language="en")
                self._state(None, claim.iri, names.SKOS + "editorialNote", text, row, note)
        return self._said

    def _state(
        self, graph: Term | None, subject: str, predicate: str, value: Term, row: Row, cell: Cell
    ) -> None:
        places = Places(None, row.subject.span, cell.span, cell.span)
        self._said.append(
            Statement(
                graph, Term("iri", subject), Term("iri", predicate), value, cell.row, row.first.row, places
            )
        )

    def _tell(self, cell: Cell, code: str, message: str, fix: str) -> None:
        self.problems.append(cell.problem(self.path, code, message, fix=fix, found=cell.text[:80]))
