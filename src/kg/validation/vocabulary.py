"""Terms that do not exist or are of the wrong kind; the rest goes on as if what was meant were written."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection

from kg import names
from kg.errors import Edit, Problem
from kg.turtle import Statement, Term
from kg.validation.candidate import LABEL, TYPE, Candidate, Part, Placed
from kg.validation.published import of_kinds
from kg.validation.spelling import Guess, guess_label, guess_term, guess_thing, respell, rewrite

_OBJECT_PROPERTY = "http://www.w3.org/2002/07/owl#ObjectProperty"
_MAX_GUESSES = 40
_NAMES = {
    names.SKOS + "prefLabel",
    names.DCTERMS + "title",
    "http://xmlns.com/foaf/0.1/name",
    "https://schema.org/name",
    "http://schema.org/name",
}
_KINDS = {
    names.ID: ("unknown-entity", "thing", "add a block that names it: type, label and description"),
    names.CONCEPT: ("unknown-concept", "concept", "see ontology/concepts for those there are"),
    names.DOCUMENT: ("unknown-entity", "document", "add a block that names it"),
    names.PASSAGE: ("unknown-entity", "passage", "add the passage; kg cite prints its block"),
    names.CLAIM: ("unknown-entity", "claim", "see its page for the claim's number"),
}


class Vocabulary:
    """
    One pass over a contribution's terms.

    Args:
        candidate: The arranged contribution.

    After `run`, `placed` are its statements as if every sure guess were written, and `muted` the subjects
    and properties of which nothing more can be told: what they lack only follows.
    """

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.published = candidate.published
        self.lexicon = candidate.published.lexicon
        self.problems: list[Problem] = []
        self.placed: list[Placed] = []
        self.muted: set[tuple[str, str]] = set()
        self._told: dict[tuple[str, str], Term | None] = {}
        self._uses: dict[str, list[tuple[Statement, Part]]] = defaultdict(list)
        self._guesses = 0
        self._near: dict[str, bool] = {}
        for one in candidate.reading.statements:
            for part, term in (
                ("subject", one.subject),
                ("predicate", one.predicate),
                ("object", one.object),
            ):
                if term.kind == "iri":
                    self._uses[term.value].append((one, part))  # type: ignore[arg-type]

    def run(self) -> None:
        """Look at each statement."""
        for placed in self.candidate.placed:
            one = placed.statement
            subject = self._subject(placed)
            predicate = self._predicate(one)
            value = self._object(placed, predicate) if predicate else one.object
            if subject and predicate and value:
                self.placed.append(
                    Placed(one._replace(subject=subject, predicate=predicate, object=value), placed.graph)
                )
                continue
            if predicate is None or one.predicate.value == TYPE:
                self.muted.add((one.subject.value, ""))
            self.muted.add((one.subject.value, one.predicate.value))

    # --- the three parts; each returns the term to go on with, or None ------------------------------

    def _subject(self, placed: Placed) -> Term | None:
        one, iri = placed.statement, placed.statement.subject.value
        if not placed.graph.startswith(names.CLAIM) or self._exists(iri):
            return one.subject
        return self._unknown_thing(one, "subject", one.subject, None)

    def _predicate(self, one: Statement) -> Term | None:
        iri = one.predicate.value
        key = ("predicate", iri)
        if key in self._told:
            return self._told[key]
        if iri in _NAMES and one.subject.value.startswith(names.ID):
            message = f"{self._short(iri)} is a property that the graph does not use of things."
            told = ("foreign-term", message, "rdfs:label")
            return self._tell_term(one, "predicate", key, told, Guess((LABEL,), True))
        if iri in self.lexicon.paths or iri in self.lexicon.properties:
            return one.predicate
        if iri in self.lexicon.classes:
            kinds = self._subject_kinds(one)
            near = guess_term(iri, self._properties(kinds))
            message = f"{self._short(iri)} is a class and stands where a property is expected."
            return self._tell_term(one, "predicate", key, ("wrong-kind", message, "a property"), near)
        if iri.startswith(names.LAT):
            near = guess_term(iri, self._properties(self._subject_kinds(one)))
            if not near.meant:
                near = guess_term(iri, self._properties(set()))
            message = f"{self._short(iri)} is not a property of the ontology."
            return self._tell_term(
                one, "predicate", key, ("unknown-term", message, "a property of ours"), near
            )
        ours = [term for term in self.lexicon.aligned(iri) if term in self.lexicon.properties]
        message = f"{self._short(iri)} is a property that the graph does not use."
        near = Guess(tuple(ours[:3]), len(ours) == 1)
        return self._tell_term(one, "predicate", key, ("foreign-term", message, "a property of ours"), near)

    def _object(self, placed: Placed, predicate: Term) -> Term | None:
        one, value = placed.statement, placed.statement.object
        if predicate.value == TYPE:
            return self._class(one)
        if value.kind == "literal":
            kind = self.lexicon.properties.get(predicate.value)
            return self._text(one, predicate) if kind == _OBJECT_PROPERTY else value
        if value.value.startswith(names.LAT):
            return self._term_as_thing(one)
        is_foreign = not value.value.startswith(names.BASE) and value.kind == "iri"
        is_stated = placed.graph.startswith(names.CLAIM) and predicate.value.startswith(names.LAT)
        if value.kind != "iri" or (is_foreign and not is_stated) or self._exists(value.value):
            return value
        return self._unknown_thing(one, "object", value, predicate)

    def _class(self, one: Statement) -> Term | None:
        iri = one.object.value
        if iri in self.lexicon.allowed_types:
            return one.object
        if one.object.kind != "iri":
            message = "a text stands where a class is expected."
            guess = guess_term(one.object.value.replace(" ", ""), self.lexicon.allowed_types)
            return self._tell_term(one, "object", ("class", iri), ("wrong-kind", message, "a class"), guess)
        key = ("class", iri)
        if key in self._told:
            return self._told[key]
        if iri in self.lexicon.defined:
            return self._defined_class(one, key)
        if iri in self.lexicon.classes:
            leaves = self.lexicon.leaves(iri)
            choice = ", ".join(map(self._short, leaves[:8])) + (" …" if len(leaves) > 8 else "")
            message = f"{self._short(iri)} is abstract: expected one of {choice}."
            guess = Guess(tuple(leaves[:8]), len(leaves) == 1)
            return self._tell_term(one, "object", key, ("abstract-class", message, "a class below it"), guess)
        if iri in self.lexicon.properties:
            message = f"{self._short(iri)} is a property and stands where a class is expected."
            guess = guess_term(iri, self.lexicon.allowed_types)
            return self._tell_term(one, "object", key, ("wrong-kind", message, "a class"), guess)
        if iri.startswith((names.ID, names.CONCEPT)):
            message = f"{self.candidate.name(iri)} is a thing and stands where a class is expected."
            kinds = sorted(self.published.types(iri) & self.lexicon.allowed_types - {names.SKOS + "Concept"})
            guess = Guess(tuple(kinds[:3]), False)
            return self._tell_term(one, "object", key, ("wrong-kind", message, "a class"), guess)
        if iri.startswith(names.LAT):
            message = f"{self._short(iri)} is not a class of the ontology."
            guess = guess_term(iri, self.lexicon.allowed_types)
            return self._tell_term(one, "object", key, ("unknown-term", message, "a class of ours"), guess)
        ours = [term for term in self.lexicon.aligned(iri) if term in self.lexicon.allowed_types]
        message = f"{self._short(iri)} is a class that the graph does not use."
        guess = Guess(tuple(ours[:3]), len(ours) == 1)
        return self._tell_term(one, "object", key, ("foreign-term", message, "a class of ours"), guess)

    def _defined_class(self, one: Statement, key: tuple[str, str]) -> Term | None:
        base, value = self.lexicon.defined[one.object.value]
        leaves = self.lexicon.leaves(base)
        message = f"{self._short(one.object.value)} is defined and follows by reasoning, it is never written."
        if value:
            message += f" It follows from {self.candidate.name(value)}."
        guess = Guess(tuple(leaves[:3]), len(leaves) == 1)
        return self._tell_term(
            one, "object", key, ("defined-class", message, "the class it is defined by"), guess
        )

    def _term_as_thing(self, one: Statement) -> Term | None:
        iri = one.object.value
        kind = "class" if iri in self.lexicon.classes else "property"
        if iri not in self.lexicon.classes and iri not in self.lexicon.properties:
            if self.published.has(iri):
                return one.object
            message = (
                f"{self._short(iri)} is not a term of the ontology, and a thing or concept is expected here."
            )
            code = "unknown-term"
        else:
            message = f"{self._short(iri)} is a {kind} and stands where a thing or concept is expected."
            code = "wrong-kind"
        value = self.lexicon.defined.get(iri, ("", None))[1]
        guess = Guess((value,), True) if value else Guess((), False)
        if not guess.meant:
            among = of_kinds(self.published, self.lexicon.ranges(one.predicate.value)) or None
            guess = guess_label(
                self.lexicon.label(iri) or iri.rsplit("#", 1)[-1], self.published, among=among
            )
        return self._tell_term(one, "object", ("object", iri), (code, message, "a thing or a concept"), guess)

    def _text(self, one: Statement, predicate: Term) -> Term | None:
        """Tell of a text where a thing is expected, and find the thing that bears that name."""
        among = of_kinds(self.published, self.lexicon.ranges(predicate.value)) or None
        guess = self._limited(lambda: guess_label(one.object.value, self.published, among=among))
        message = (
            f"{self._short(predicate.value)} of {self.candidate.name(one.subject.value)} is the text "
            f"“{one.object.value[:60]}”: expected the IRI of a thing or a concept."
        )
        fix = self._fix(guess, "name the thing by its IRI; if it is new, add a block that names it.")
        edits: list[Edit] = []
        if guess.meant and one.places:
            edit = rewrite(self.candidate.reading, one.places.object, Term("iri", guess.meant))
            edits = [edit] if edit else []
        self.problems.append(
            self.candidate.at(
                one,
                "object",
                "text-for-thing",
                message,
                fix=fix,
                found=one.object.value[:80],
                expected=self._expected(guess, "an IRI"),
                edits=edits,
            )
        )
        return Term("iri", guess.meant) if guess.meant else None

    def _unknown_thing(self, one: Statement, part: Part, term: Term, predicate: Term | None) -> Term | None:
        iri = term.value
        key = ("thing", iri)
        if key in self._told:
            return self._told[key]
        base = next((space for space in _KINDS if iri.startswith(space)), None)
        if base is None:
            code, what, add = "unknown-entity", "thing", "name it id: and lower-case words with hyphens"
        else:
            code, what, add = _KINDS[base]
        among = None
        if predicate is not None:
            among = of_kinds(self.published, self.lexicon.ranges(predicate.value)) or None
        own = self.candidate.types
        others = [name for name in own if name != iri]
        guess = self._limited(lambda: guess_thing(iri, self.published, own=others, among=among))
        if base == names.CONCEPT and not guess.meant:
            guess = self._other_scheme(iri, among) or guess
        if guess.meant and guess.meant in own and self._is_slip(guess.meant, iri):
            return self._tell_naming(one, iri, guess.meant)
        message = f"{self._short(iri)} is not a {what} that the graph or this contribution has."
        if base is None:
            message = f"{self._short(iri)} is not a name of ours: things here are named id:…"
        return self._tell_term(one, part, key, (code, message, f"a {what} that exists"), guess, add)

    def _is_slip(self, named: str, used: str) -> bool:
        """Tell whether a new thing is misspelt where it is named, and not where it is used."""
        counts = Counter(re.findall(r"[a-z0-9]+", self.candidate.reading.text.lower()))

        def rarest(iri: str) -> int:
            return min((counts[word] for word in iri.rsplit("/", 1)[-1].split("-") if word), default=0)

        is_mentioned = any(use.graph and use.predicate.value != TYPE for use, _ in self._uses[named])
        return not is_mentioned and rarest(named) < rarest(used)

    def _tell_naming(self, one: Statement, used: str, named: str) -> Term:
        """Tell of a new thing whose block gives it another name than the claims do."""
        head = next(use for use, part in self._uses[named] if part == "subject")
        message = (
            f"{self.candidate.name(named)} is named here, and the claims speak of {self._short(used)} "
            f"(line {one.line}): one of the two is misspelt."
        )
        self.problems.append(
            self.candidate.at(
                head,
                "subject",
                "unknown-entity",
                message,
                fix=f"write {self._short(used)}.",
                found=self._short(named),
                expected=self._short(used),
                edits=self._respellings(named, "subject", "thing", used),
            )
        )
        self._told["thing", used] = Term("iri", named)
        return Term("iri", named)

    def _other_scheme(self, iri: str, among: Collection[str] | None) -> Guess | None:
        """Find a concept of the same slug in another scheme."""
        slug = iri.rsplit("/", 1)[-1]
        found = sorted(
            one
            for one in self.published.known
            if one.startswith(names.CONCEPT) and one.endswith("/" + slug) and (among is None or one in among)
        )
        return Guess(tuple(found[:3]), len(found) == 1) if found else None

    # --- small things -----------------------------------------------------------------------------------

    def _exists(self, iri: str) -> bool:
        if self.published.has(iri) or iri in self.candidate.labels:
            return True
        return iri in self.candidate.types and not self._is_misspelt(iri)

    def _is_misspelt(self, iri: str) -> bool:
        """Tell whether a thing with a class here and no name is a published one, misspelt."""
        if not iri.startswith(names.ID):
            return False
        if iri not in self._near:
            guess = self._limited(lambda: guess_thing(iri, self.published))
            is_same = guess.meant and self.published.types(guess.meant) & self.candidate.types[iri]
            self._near[iri] = bool(is_same)
        return self._near[iri]

    def _subject_kinds(self, one: Statement) -> set[str]:
        return self.candidate.kinds(one.subject.value)

    def _properties(self, kinds: set[str]) -> set[str]:
        """Return the properties that things of some classes may have; all that data has for none."""
        found = {path for kind in kinds for path in self.lexicon.class_paths.get(kind, ())}
        return {one for one in found or self.lexicon.paths if one.startswith(names.LAT)}

    def _short(self, iri: str) -> str:
        return self.candidate.short(iri)

    def _limited(self, look: object) -> Guess:
        """Look for what was meant, unless that was done too often already: it costs time."""
        self._guesses += 1
        assert callable(look)
        found = look() if self._guesses <= _MAX_GUESSES else Guess((), False)
        assert isinstance(found, Guess)
        return found

    def _fix(self, guess: Guess, otherwise: str) -> str:
        if not guess.iris:
            return otherwise
        listed = " or ".join(self._named(one) for one in guess.iris[:3])
        return f"write {listed}." if guess.is_sure else f"did you mean {listed}? Otherwise {otherwise}"

    def _named(self, iri: str) -> str:
        label = self.candidate.find_label(iri) or self.lexicon.label(iri)
        return f"{self._short(iri)} ({label})" if label else self._short(iri)

    def _expected(self, guess: Guess, otherwise: str) -> str:
        return self._short(guess.iris[0]) if guess.is_sure else otherwise

    def _tell_term(
        self,
        one: Statement,
        part: Part,
        key: tuple[str, str],
        told: tuple[str, str, str],
        guess: Guess,
        otherwise: str = "see /ontology for the terms there are",
    ) -> Term | None:
        """Tell of a term once, with every place where it stands, and return what to go on with."""
        code, message, expected = told
        iri = getattr(one, part).value
        fix = self._fix(guess, f"{otherwise}.")
        edits: list[Edit] = []
        if guess.meant:
            guess = Guess((guess.meant,), True)
            edits = self._respellings(iri, part, key[0], guess.iris[0])
        self.problems.append(
            self.candidate.at(
                one,
                part,
                code,
                message,
                fix=fix,
                found=self._short(iri),
                expected=self._expected(guess, expected),
                edits=edits,
            )
        )
        self._told[key] = Term("iri", guess.meant) if guess.meant else None
        return self._told[key]

    def _respellings(self, old: str, part: Part, role: str, new: str) -> list[Edit]:
        """Return the edits that write another name wherever one stands in the same role."""
        found: dict[Edit, None] = {}
        for one, place in self._uses[old]:
            is_type = one.predicate.value == TYPE and place == "object"
            fits = place == part if role in ("predicate", "object") else (role == "class") == is_type
            span = getattr(one.places, place) if one.places and fits else None
            edit = respell(self.candidate.reading, span, old, new)
            if edit:
                found[edit] = None
        return list(found)
