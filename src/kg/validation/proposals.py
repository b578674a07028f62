"""What would mend a problem, as edits that are still to be proved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import rdflib
from rdflib import RDF, SH

from kg import names
from kg.errors import Edit, Problem
from kg.turtle import Span, Statement, Term
from kg.validation.candidate import DRAFT_CLAIM, DRAFT_PASSAGE, TYPE, Candidate
from kg.validation.published import of_kinds
from kg.validation.shacl import Result
from kg.validation.spelling import guess_label, lines_of, replace_span, respell, rewrite, text_at, write_iri

_XSD = names.XSD
_MAX_PROPOSALS = 200
_LEXICAL = {
    _XSD + "gYear": re.compile(r"[0-9]{4}\Z"),
    _XSD + "gYearMonth": re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])\Z"),
    _XSD + "date": re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z"),
    _XSD + "integer": re.compile(r"[+-]?[0-9]+\Z"),
    _XSD + "decimal": re.compile(r"[+-]?[0-9]*\.[0-9]+\Z"),
    _XSD + "anyURI": re.compile(r"https?://[^\s<>\"]+\Z"),
    _XSD + "string": re.compile(r".+\Z", re.DOTALL),
    _XSD + "boolean": re.compile(r"(?:true|false)\Z"),
}
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[,  ][0-9]{3})+\Z")
_DAY = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})(?:[-/.]([0-9]{1,2}))?(?:T[0-9:.]+)?(?:Z|[+-][0-9:]+)?\Z")
_HEX = re.compile(r"(?:sha-?256[:=])?([0-9a-f]{64})\Z", re.IGNORECASE)
_REVERSED = {
    "reversed-dates": (("startDate", "endDate"), ("startTime", "endTime")),
}


class Proposals:
    """
    Edits for the problems of a candidate.

    Args:
        candidate: The arranged contribution; edits are to its text.
    """

    def __init__(self, candidate: Candidate) -> None:
        self.candidate, self.reading = candidate, candidate.reading
        self.published, self.shapes = candidate.published, candidate.published.shapes
        self.lexicon = candidate.published.lexicon
        self.statements = candidate.reading.statements
        self._tried = 0
        self.is_turtle = candidate.reading.path.suffix in (".ttl", ".trig", ".n3")

    def for_result(self, problem: Problem, result: Result, one: Statement | None) -> Problem:
        """Return the problem of a shape's result with what would mend it, where that can be computed."""
        if one is None or one.places is None or not self._may_try():
            return problem
        makers: dict[str, Callable[[Problem, Result, Statement], Problem | None]] = {
            "wrong-datatype": self._literal,
            "wrong-language": self._literal,
            "wrong-kind": self._literal,
            "malformed-value": self._form,
            "wrong-class": self._other_thing,
            "missing-value": self._missing,
            "misplaced-property": self._turned,
            "derived-property": self._turned,
            "withheld-text": self._without,
            "reversed-values": self._swapped_offsets,
        }
        maker = makers.get(problem.code or "")
        return (maker(problem, result, one) if maker else None) or problem

    def for_problem(self, problem: Problem) -> Problem:
        """Return any other problem with what would mend it, where that can be computed."""
        if problem.edits or problem.subject is None or not self._may_try():
            return problem
        if problem.code in _REVERSED:
            return self._swapped(problem, problem.subject)
        if problem.code in ("not-a-draft", "malformed-slug"):
            return self._renamed(problem, problem.subject)
        if problem.code == "already-named":
            return self._unnamed(problem, problem.subject)
        return problem

    def _may_try(self) -> bool:
        """Count what is tried: each costs a look through the text."""
        self._tried += 1
        return self._tried <= _MAX_PROPOSALS

    # --- literals ---------------------------------------------------------------------------------------

    def _literal(self, problem: Problem, result: Result, one: Statement) -> Problem | None:
        term = self._fitting(result.shape, one.object)
        return self._written(problem, one, term) if term else None

    def _written(self, problem: Problem, one: Statement, term: Term) -> Problem | None:
        if term == one.object or one.places is None:
            return None
        edit = rewrite(self.reading, one.places.object, term)
        if edit is None:
            return None
        shown = edit.text if len(edit.text) < 60 else edit.text[:57] + "…"
        return replace(problem, fix=f"write {shown}", edits=(edit,))

    def _fitting(self, shape: object, value: Term) -> Term | None:
        """Return the literal of a shape's datatypes that says the same."""
        assert isinstance(shape, rdflib.term.Node)
        text = value.value.strip()
        if self.shapes.value(shape, SH.languageIn) is not None:
            is_english = not value.language or value.language.lower().startswith("en-")
            return Term("literal", text, language="en") if value.kind == "literal" and is_english else None
        for datatype in self._datatypes(shape):
            if datatype == str(RDF.langString):
                return Term("literal", text, language="en") if value.kind == "literal" else None
            pattern = _LEXICAL.get(datatype)
            for form in _forms(text):
                if pattern and pattern.match(form):
                    return Term("literal", form, "" if datatype == _XSD + "string" else datatype)
        return None

    def _datatypes(self, shape: rdflib.term.Node) -> Iterator[str]:
        for datatype in self.shapes.objects(shape, SH.datatype):
            yield str(datatype)
        members = self.shapes.value(shape, SH["or"])
        for one in self.shapes.items(members) if members is not None else ():
            yield from self._datatypes(one)

    def _form(self, problem: Problem, result: Result, one: Statement) -> Problem | None:
        """Mend what a pattern refuses: blanks around, line breaks, a digest's prefix, too many words."""
        text = one.object.value
        local = one.predicate.value.rsplit("#", 1)[-1]
        hexadecimal = _HEX.match(text.strip())
        if hexadecimal:
            wanted = f"sha256:{hexadecimal[1].lower()}"
        elif local in ("firstWords", "lastWords"):
            words = text.split()
            wanted = " ".join(words[:4] if local == "firstWords" else words[-4:])
        else:
            wanted = " ".join(text.split())
        pattern = self.shapes.value(result.shape, SH.pattern)
        if wanted == text or (pattern is not None and not re.search(str(pattern), wanted)):
            return None
        return self._written(problem, one, one.object._replace(value=wanted))

    # --- things -----------------------------------------------------------------------------------------

    def _other_thing(self, problem: Problem, result: Result, one: Statement) -> Problem | None:
        """Find the thing of the class that is expected which bears the name of the one that is written."""
        kinds = {str(kind) for kind in self._classes(result.shape)}
        label = self.candidate.find_label(one.object.value)
        if not kinds or not label or one.places is None or one.object.kind != "iri":
            return None
        guess = guess_label(label, self.published, among=of_kinds(self.published, kinds))
        if not guess.meant:
            return None
        edit = respell(self.reading, one.places.object, one.object.value, guess.meant)
        fix = f"write {self.candidate.name(guess.meant)}."
        return replace(problem, fix=fix, edits=(edit,) if edit else ())

    def _classes(self, shape: rdflib.term.Node) -> Iterator[rdflib.term.Node]:
        yield from self.shapes.objects(shape, SH["class"])
        members = self.shapes.value(shape, SH["or"])
        for one in self.shapes.items(members) if members is not None else ():
            yield from self._classes(one)

    def _missing(self, problem: Problem, result: Result, one: Statement) -> Problem | None:
        """Add what can be read off the rest: a claim's document, a passage's document and its selector."""
        if not self.is_turtle or one.places is None or one.predicate.value != TYPE:
            return None
        subject, path = one.subject.value, str(result.path)
        value = None
        if path == names.LAT + "statedIn":
            passages = self._objects(subject, names.LAT + "evidence")
            value = self._one(self._objects(passage, names.OA + "hasSource") for passage in passages)
        elif path == names.OA + "hasSource":
            claims = [s.subject.value for s in self.statements if s.object.value == subject]
            value = self._one(self._objects(claim, names.LAT + "statedIn") for claim in claims)
        elif path == names.OA + "hasSelector" and f"{subject}#selector" in self.candidate.types:
            value = f"{subject}#selector"
        if value is None:
            return None
        prefixes = self.reading.prefixes
        text = f" ;\n  {write_iri(path, prefixes)} {write_iri(value, prefixes)}"
        end = one.places.object
        edit = Edit(end.end_line, end.end_column, end.end_line, end.end_column, text)
        return replace(problem, fix=f"add {text.strip(' ;').strip()}.", edits=(edit,))

    def _objects(self, subject: str, predicate: str) -> set[str]:
        return {
            one.object.value
            for one in self.statements
            if one.subject.value == subject and one.predicate.value == predicate
        }

    @staticmethod
    def _one(groups: Iterable[set[str]]) -> str | None:
        found = {value for group in groups for value in group}
        return next(iter(found)) if len(found) == 1 else None

    # --- direction --------------------------------------------------------------------------------------

    def _turned(self, problem: Problem, result: Result, one: Statement) -> Problem | None:
        """Turn a statement round that stands on the wrong side: with its own property, or the inverse."""
        if one.object.kind != "iri" or one.places is None:
            return None
        predicate = one.predicate.value
        if problem.code == "derived-property":
            inverse = self.lexicon.inverses.get(predicate)
            if inverse is None or inverse in self.lexicon.derived:
                return None
            predicate = inverse
        if not self.lexicon.allows(self.candidate.kinds(one.object.value), predicate):
            return None
        short, name = self.candidate.short, self.candidate.name
        turned = f"{short(one.object.value)} {short(predicate)} {short(one.subject.value)}"
        message, code = problem.message, problem.code
        if code == "misplaced-property":
            code = "wrong-direction"
            message = (
                f"{short(predicate)} stands the wrong way round: {name(one.object.value)} is what has it, "
                f"and {name(one.subject.value)} is its value."
            )
        edits = tuple(self._turn(one, predicate))
        return replace(
            problem, code=code, message=message, fix=f"write {turned}.", expected=turned, edits=edits
        )

    def _turn(self, one: Statement, predicate: str) -> list[Edit]:
        places = one.places
        if places is None or not self.is_turtle:
            return []
        subject, value = text_at(self.reading, places.subject), text_at(self.reading, places.object)
        property_ = write_iri(predicate, self.reading.prefixes)
        block = [each for each in self.statements if each.places and each.places.subject == places.subject]
        kinds = self.candidate.kinds(one.subject.value), self.candidate.kinds(one.object.value)
        all_turned = predicate == one.predicate.value and all(
            self.lexicon.allows(kinds[1], each.predicate.value)
            and not self.lexicon.allows(kinds[0], each.predicate.value)
            for each in block
        )
        if len(block) == 1 or all_turned:
            found = [replace_span(places.subject, value), replace_span(places.object, subject)]
            if predicate != one.predicate.value:
                found.append(replace_span(places.predicate, property_))
            return found
        cut = self._cut(one)
        if cut is None:
            return []
        at = places.subject
        indent = " " * (at.column - 1)
        text = f"{value} {property_} {subject} .\n\n{indent}"
        return [Edit(at.line, at.column, at.line, at.column, text), cut]

    # --- leaving out ------------------------------------------------------------------------------------

    def _without(self, problem: Problem, result: Result, one: Statement) -> Problem | None:
        cut = self._cut(one)
        fix = f"leave {self.candidate.short(one.predicate.value)} out."
        return replace(problem, fix=fix, edits=(cut,) if cut else ())

    def _cut(self, one: Statement) -> Edit | None:
        """Return the edit that takes one property with its only value out of a block of several."""
        places = one.places
        if places is None or not self.is_turtle:
            return None
        lines = lines_of(self.reading.text)
        same = [
            each
            for each in self.statements
            if each.places
            and each.places.predicate == places.predicate
            and each.places.object != places.object
        ]
        if same:
            return None
        after = _skip(lines, places.object.end_line, places.object.end_column)
        if after and after[2] == ";":
            following = _skip(lines, after[0], after[1] + 1) or (after[0], after[1] + 1, "")
            return Edit(places.predicate.line, places.predicate.column, following[0], following[1], "")
        before = [
            each.places.object
            for each in self.statements
            if each.places
            and each.places.subject == places.subject
            and _ends_before(each.places.object, places.predicate)
        ]
        if not before:
            return None
        last = max(before, key=lambda span: (span.end_line, span.end_column))
        return Edit(last.end_line, last.end_column, places.object.end_line, places.object.end_column, "")

    def _unnamed(self, problem: Problem, subject: str) -> Problem:
        """Take the block that names something published out, if it does nothing else."""
        if not self.is_turtle:
            return problem
        head = next(
            (s for s in self.statements if s.subject.value == subject and s.subject_line == problem.line),
            None,
        )
        if head is None or head.places is None:
            return problem
        block = [s for s in self.statements if s.places and s.places.subject == head.places.subject]
        naming = (names.RDFS, names.SKOS, names.DCTERMS, names.RDF)
        if not all(one.predicate.value.startswith(naming) for one in block):
            return problem
        end = max((s.places.object for s in block if s.places), key=lambda at: (at.end_line, at.end_column))
        after = _skip(lines_of(self.reading.text), end.end_line, end.end_column)
        if after is None or after[2] != ".":
            return problem
        start = head.places.subject
        return replace(problem, edits=(Edit(start.line, start.column, after[0], after[1] + 1, ""),))

    # --- places changed ---------------------------------------------------------------------------------

    def _swapped(self, problem: Problem, subject: str) -> Problem:
        for start, end in _REVERSED[problem.code or ""]:
            pair = [self._statement(subject, names.LAT + one) for one in (start, end)]
            edits = self._exchange(pair[0], pair[1])
            if edits:
                return replace(problem, fix=f"exchange lat:{start} and lat:{end}.", edits=edits)
        return problem

    def _swapped_offsets(self, problem: Problem, result: Result, one: Statement) -> Problem | None:
        subject = one.subject.value
        pair = [self._statement(subject, names.OA + local) for local in ("start", "end")]
        edits = self._exchange(pair[0], pair[1])
        return replace(problem, fix="exchange oa:start and oa:end.", edits=edits) if edits else None

    def _statement(self, subject: str, predicate: str) -> Statement | None:
        found = [s for s in self.statements if (s.subject.value, s.predicate.value) == (subject, predicate)]
        return found[0] if len(found) == 1 else None

    def _exchange(self, one: Statement | None, other: Statement | None) -> tuple[Edit, ...]:
        if one is None or other is None or one.places is None or other.places is None:
            return ()
        first, second = one.places.object, other.places.object
        texts = text_at(self.reading, first), text_at(self.reading, second)
        if not all(texts):
            return ()
        return replace_span(first, texts[1]), replace_span(second, texts[0])

    def _renamed(self, problem: Problem, old: str) -> Problem:
        """Give a thing, a claim or a passage a name of the right form wherever it is named."""
        local = names.slugify(old.rstrip("/").rsplit("/", 1)[-1].removesuffix("#selector"))
        if old.startswith(names.CLAIM):
            new = DRAFT_CLAIM + local
        elif old.startswith(names.PASSAGE):
            new = DRAFT_PASSAGE + local
        elif old.startswith((names.DOCUMENT, names.LAT, names.CONCEPT)):
            return problem
        else:
            label = self.candidate.labels.get(old)
            new = names.ID + (names.slugify(label) if label and not local else local)
        if new in self.candidate.types or not local or self.published.has_subject(new):
            return problem
        base = old.removesuffix("#selector")
        edits: dict[Edit, None] = {}
        for one in self.statements:
            for part, term in (("graph", one.graph), ("subject", one.subject), ("object", one.object)):
                if term is None or term.value not in (base, f"{base}#selector") or one.places is None:
                    continue
                edit = respell(
                    self.reading,
                    getattr(one.places, part),
                    term.value,
                    new + term.value.removeprefix(base),
                )
                if edit:
                    edits[edit] = None
        return replace(problem, fix=f"name it {self.candidate.short(new)}.", edits=tuple(edits))


def _forms(text: str) -> Iterator[str]:
    """Yield a text, and the forms in which a number or a day is written that is written otherwise."""
    yield text
    if _THOUSANDS.match(text):
        yield re.sub(r"[^0-9]", "", text)
    day = _DAY.match(text)
    if day:
        yield "-".join(one.zfill(2) for one in day.groups() if one)


def _skip(lines: list[str], line: int, column: int) -> tuple[int, int, str] | None:
    """Return the place and the first character after blanks and comments."""
    while line <= len(lines):
        rest = lines[line - 1][column - 1 :]
        bare = rest.lstrip()
        if bare and not bare.startswith("#"):
            return line, column + len(rest) - len(bare), bare[0]
        line, column = line + 1, 1
    return None


def _ends_before(one: Span, other: Span) -> bool:
    return (one.end_line, one.end_column) <= (other.line, other.column)
