"""What the rows of a table are about: something published, or something new with its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from kg import names
from kg.errors import Problem
from kg.evidence import digest_file_text
from kg.tables.blocks import Row, split
from kg.tables.kinds import DOCUMENT, ENTITY, Kind, find_kind
from kg.tables.naming import Answer, Naming, unbracket
from kg.tables.questions import Asked, Question, ask
from kg.tables.sheets import Cell
from kg.turtle import Places, Statement, Term

_MOST_SLUG = 80
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TYPE, _LABEL = names.RDF + "type", names.RDFS + "label"


class Things:
    """
    One pass over rows to find what each is about; a second then knows every name.

    Args:
        naming: The names that there are.
        kinds: The kinds of statements.
        path: The file's name.
        copies: Texts by slug, file name or stem, as they came with the table.
    """

    def __init__(
        self, naming: Naming, kinds: Mapping[str, Kind], path: Path, copies: Mapping[str, str]
    ) -> None:
        self.naming, self.kinds, self.path, self.copies = naming, kinds, path, copies
        self.published = naming.published
        self.problems: list[Problem] = []
        self.questions: list[Question] = []
        self.statements: list[Statement] = []
        self.subjects: dict[int, str] = {}  # by the row's id
        self.is_new: dict[int, bool] = {}
        self.documents: dict[str, str] = {}
        self._minted: dict[str, Cell] = {}

    def run(self, rows: Iterable[Row]) -> None:
        """Name what is new first, so that every row may speak of it."""
        rows = list(rows)
        for row in sorted(rows, key=lambda one: one.kind.slug not in (ENTITY, DOCUMENT)):
            self._name(row)
        for row in rows:
            if row.kind.slug == DOCUMENT and id(row) in self.subjects:
                self._describe_document(row, self.subjects[id(row)])

    # --- what a row is about ----------------------------------------------------------------------

    def _name(self, row: Row) -> None:
        cell = row.cell("label")
        if cell is None:
            if set(row.cells) - {"claim"} - _EVIDENCE_ONLY or "claim" not in row.cells:
                header = row.kind.header
                self._tell(
                    row.at("label"),
                    "missing-cell",
                    f"“{header}” is empty in this row: expected a name.",
                    "fill it.",
                )
            return
        kind = self._class(row)
        if kind is None:
            return
        is_declared = row.kind.slug in (ENTITY, DOCUMENT)
        found = self._find(row, cell, kind, is_declared)
        if found is None:
            return
        iri, is_new = found
        self.subjects[id(row)], self.is_new[id(row)] = iri, is_new
        if is_new:
            self._mint(row, cell, iri, kind)
        elif not is_declared:
            self._tell_naming(row, iri)

    def _class(self, row: Row) -> str | None:
        """Return the class of a row's thing; for entities it stands in a cell."""
        if row.kind.slug != ENTITY:
            return row.kind.iri
        cell = row.cell("class")
        if cell is None:
            self._tell(
                row.at("class"),
                "missing-cell",
                "“class” is empty in this row: expected what kind of thing it is.",
                "choose one, such as state or person.",
            )
            return None
        kind = find_kind(self.kinds, cell.text)
        if kind is None or not kind.iri:
            from rapidfuzz import process

            choices = [one.header for one in self.kinds.values() if one.iri and not one.is_record]
            scored = [(one, score) for one, score, _ in process.extract(cell.text, choices, limit=3)]
            near = [one for one, score in scored if score >= 60]
            is_sure = len(scored) > 1 and scored[0][1] >= 80 and scored[0][1] - scored[1][1] >= 5
            edits = (cell.edit(near[0]),) if is_sure else ()
            self.problems.append(
                cell.problem(
                    self.path,
                    "unknown-class",
                    f"“{cell.text}” is no class of things." + (f" Near: {', '.join(near)}." if near else ""),
                    fix="write one of " + ", ".join(near or choices) + ".",
                    found=cell.text,
                    edits=edits,
                )
            )
            return None
        return kind.iri

    def _find(self, row: Row, cell: Cell, kind: str, is_declared: bool) -> tuple[str, bool] | None:
        """Return the thing of a row and whether it is new; None where that is told as a problem."""
        label, bracket = unbracket(cell.text)
        base = names.DOCUMENT if row.kind.slug == DOCUMENT else names.ID
        written = self.naming.expand(bracket or label) or (base + bracket if bracket else "")
        makes_new = is_declared or row.kind.is_record or bool(row.cell("description"))
        if written and (self.naming.kind(written) or not makes_new):
            return self._existing(row, cell, kind, is_declared)
        if written and not bracket:
            self._tell(cell, "missing-name", f"“{label}” is an IRI without a name.", f"write Name [{label}].")
            return None
        exact = [] if written else self.naming.exact(label, (kind,))
        if exact or not makes_new:
            return self._existing(row, cell, kind, is_declared)
        return self._new(cell, label, written or self._slug(label, base), base)

    def _existing(self, row: Row, cell: Cell, kind: str, is_declared: bool) -> tuple[str, bool] | None:
        answer = self.naming.resolve(cell.text, (kind,))
        if not answer.iri or answer.code:
            self.ask(cell, [cell.text], 0, answer, row.kind.header, (kind,))
            return None
        if is_declared:
            own = self._minted.get(answer.iri)
            where = f"named in {own.address}" if own else f"published: {self.naming.write(answer.iri)}"
            self._tell(
                cell,
                "already-named",
                f"“{cell.text}” is there already, {where}. Things are named once.",
                "leave this row out; if it is another thing, give it another name.",
            )
            return None
        return answer.iri, False

    def _slug(self, label: str, base: str) -> str:
        slug = names.slugify(label)
        if len(slug) > _MOST_SLUG:
            slug = slug[:_MOST_SLUG].rpartition("-")[0]
        return base + slug if slug else ""

    def _new(self, cell: Cell, label: str, iri: str, base: str) -> tuple[str, bool] | None:
        if not _SLUG.fullmatch(iri.removeprefix(base)):
            self._tell(
                cell,
                "no-slug",
                f"“{cell.text}” gives no address: expected lower-case words with hyphens.",
                f"write {label} [id:…], with lower-case letters and hyphens.",
            )
            return None
        if self.naming.kind(iri):
            number = next(n for n in range(2, 1000) if not self.naming.kind(f"{iri}-{n}"))
            short = self.published.prefixes.compress(f"{iri}-{number}")
            new = f"{label} [{short}]"
            self.problems.append(
                cell.problem(
                    self.path,
                    "name-taken",
                    f"“{label}” would be {self.published.prefixes.compress(iri)}, and that is "
                    f"“{self.naming.label(iri)}”.",
                    fix=f"write {new} if it is another thing, or the other's name if it is the same.",
                    found=cell.text,
                    edits=(cell.edit(new),),
                )
            )
            return None
        return iri, True

    # --- what is said of its name -----------------------------------------------------------------

    def _mint(self, row: Row, cell: Cell, iri: str, kind: str) -> None:
        label, _ = unbracket(cell.text)
        label = " ".join(label.split())
        aliases = [one for alias in row.cells.get("also-known-as", ()) for one in split(alias)]
        self.naming.add(iri, kind, [label, *aliases])
        self._minted[iri] = cell
        self._state(row, iri, _TYPE, Term("iri", kind), row.cell("class") or cell)
        self._state(row, iri, _LABEL, Term("literal", label, language="en"), cell)
        for alias in row.cells.get("also-known-as", ()):
            for one in split(alias):
                self._state(row, iri, names.SKOS + "altLabel", Term("literal", one, language="en"), alias)
        described = row.cell("description")
        if described:
            text = Term("literal", " ".join(described.text.split()), language="en")
            self._state(row, iri, names.DCTERMS + "description", text, described)

    def _tell_naming(self, row: Row, iri: str) -> None:
        """Tell that something published is named again."""
        for column in ("also-known-as", "description"):
            cell = row.cell(column)
            if cell and iri not in self._minted:
                self._tell(
                    cell,
                    "already-named",
                    f"{self.naming.write(iri)} exists already: its name and description "
                    "are not for a row to change.",
                    "empty this cell, or name another thing.",
                )

    def _describe_document(self, row: Row, iri: str) -> None:
        cell = row.cell("file")
        if cell is None:
            self._tell(
                row.at("file"),
                "missing-cell",
                "“file” is empty in this row: expected the name of your copy.",
                "fill it, and send the copy: kg contribute … --document FILE.",
            )
            return
        slug = iri.removeprefix(names.DOCUMENT)
        text = self._copy(slug, cell.text)
        if text is None:
            came = (
                ", ".join(sorted(one for one in self.copies if "." in one) or sorted(self.copies)) or "none"
            )
            self._tell(
                cell,
                "missing-copy",
                f"no copy of “{cell.text}” came with the table; came: {came}.",
                f"send it along: kg contribute … --document {cell.text}.",
            )
            return
        self.documents[slug] = text
        integer = names.XSD + "integer"
        self._state(row, iri, names.LAT + "referenceFile", Term("literal", f"{slug}.txt"), cell)
        self._state(row, iri, names.LAT + "referenceDigest", Term("literal", digest_file_text(text)), cell)
        self._state(row, iri, names.LAT + "codePoints", Term("literal", str(len(text)), integer), cell)

    def _copy(self, slug: str, written: str) -> str | None:
        """Return the copy that a cell names, by its file's name, folder and suffix left out or not."""
        file = PurePosixPath(written.replace("\\", "/"))
        for one in (slug, written, file.name, file.stem):
            if one in self.copies:
                return self.copies[one]
        named = {unicodedata.normalize("NFC", one).casefold(): text for one, text in self.copies.items()}
        for one in (unicodedata.normalize("NFC", file.name).casefold(), names.slugify(file.stem)):
            if one in named:
                return named[one]
        return None

    def _state(self, row: Row, subject: str, predicate: str, value: Term, cell: Cell) -> None:
        places = Places(None, row.subject.span, cell.span, cell.span)
        line = row.first.row
        self.statements.append(
            Statement(None, Term("iri", subject), Term("iri", predicate), value, line, line, places)
        )

    # --- telling -----------------------------------------------------------------------------------

    def _tell(self, cell: Cell, code: str, message: str, fix: str) -> None:
        self.problems.append(cell.problem(self.path, code, message, fix=fix, found=cell.text[:80]))

    def ask(
        self, cell: Cell, pieces: list[str], at: int, answer: Answer, header: str, classes: Iterable[str]
    ) -> None:
        """Make a problem of a name that means nothing sure, and a question where it may mean something."""
        problem, question = ask(
            self.naming, self.path, Asked(cell, tuple(pieces), at, header), answer, classes
        )
        self.problems.append(problem)
        if question:
            self.questions.append(question)


_EVIDENCE_ONLY = {"document", "first-words", "last-words", "section", "footnote", "page", "status", "note"}
