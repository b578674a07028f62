"""The statements of a contribution to graphs, and what is not for a contributor to say."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyoxigraph as ox

from kg import names
from kg.errors import Problem
from kg.parsing import Reading
from kg.search import fold
from kg.turtle import Statement
from kg.validation.candidate import (
    ALIAS,
    CLAIM,
    DRAFT_CLAIM,
    DRAFT_PASSAGE,
    LABEL,
    PASSAGE,
    SELECTOR,
    TYPE,
    Candidate,
    Part,
    Placed,
)
from kg.validation.published import Published

_NAMING = {TYPE, LABEL, ALIAS, names.DCTERMS + "description"}
_NAMED_APART = (LABEL, names.DCTERMS + "description")
_SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_DRAFT = re.compile(rf"(?:[0-9]{{1,4}}|{_SLUG})\Z")
_ENTITY = re.compile(rf"{_SLUG}\Z")
_DOCUMENT = re.compile(rf"{_SLUG}(?:/{_SLUG})?\Z")
_OTHERS = (names.LAT, names.CONCEPT, names.SHAPES, names.GRAPH)


def arrange(reading: Reading, published: Published) -> Candidate:
    """
    Put each statement of a contribution into its graph.

    In a text without graphs that declares one claim, what is not the claim's record, a passage, the naming of
    something new or a new document is what the claim says.
    """
    candidate = Candidate(reading, published)
    _Arranger(candidate).run()
    return candidate


class _Arranger:
    def __init__(self, candidate: Candidate) -> None:
        self.candidate, self.published = candidate, candidate.published
        self._short = candidate.short
        self.statements = candidate.reading.statements
        self.claims = [one for one, kinds in candidate.types.items() if CLAIM in kinds]
        self.has_graphs = any(
            one.graph and not one.graph.value.startswith(names.GRAPH) for one in self.statements
        )
        self.told: set[tuple[str, str]] = set()

    def run(self) -> None:
        """Arrange everything."""
        candidate = self.candidate
        claim = self._only_claim()
        for one in self.statements:
            if "blank" in (one.subject.kind, one.object.kind):
                self._tell_blank(one)
                continue
            graph = self._graph(one, claim)
            if graph:
                candidate.placed.append(Placed(one, graph))
        candidate.problems += self._records()
        candidate.problems += self._names()

    def _tell(
        self, one: Statement, part: Part, code: str, message: str, fix: str | None = None, **more: str
    ) -> None:
        """Tell of a problem, once for each thing and kind."""
        about = getattr(one, part)
        key = (code, about.value if about else "")
        if key not in self.told:
            self.told.add(key)
            self.candidate.problems.append(self.candidate.at(one, part, code, message, fix=fix, **more))  # type: ignore[arg-type]

    def _tell_blank(self, one: Statement) -> None:
        part: Part = "object" if one.object.kind == "blank" else "subject"
        if part == "subject" and ("blank-node", one.subject.value) in self.told:
            return
        self._tell(
            one,
            part,
            "blank-node",
            "a blank node stands here: expected an IRI, so that it can be cited and corrected.",
            "name it, e.g. id:malta-tenure-1990, and say its triples of that.",
        )
        self.told.add(("blank-node", getattr(one, part).value))

    def _only_claim(self) -> str | None:
        """Return the claim that a text without graphs makes; tell if it makes none or several."""
        if self.has_graphs:
            return None
        heads = [one for one in self.statements if one.predicate.value == TYPE and one.object.value == CLAIM]
        if len({one.subject.value for one in heads}) > 1:
            self.candidate.is_whole = False
            second = next(one for one in heads if one.subject != heads[0].subject)
            self._tell(
                second,
                "subject",
                "several-claims",
                f"{self._short(second.subject.value)} is a second claim, and this text has no graphs: "
                "it cannot be told which triple belongs to which.",
                "write TriG, one graph for each claim: draft:1 { … } draft:2 { … }; or one file for each.",
            )
            return None
        if not heads:
            self.candidate.is_whole = False
            if self.statements:
                self._tell(
                    self.statements[0],
                    "subject",
                    "no-claim",
                    "no claim stands in this text: expected one record, such as draft:1 a lat:Claim, "
                    "with lat:statedIn, lat:evidence and lat:epistemicStatus.",
                    "add the record and its passage; kg cite prints the passage.",
                )
            return None
        return heads[0].subject.value

    # --- where a statement belongs ----------------------------------------------------------------

    def _graph(self, one: Statement, claim: str | None) -> str | None:
        graph = one.graph.value if one.graph else ""
        if graph.startswith(names.GRAPH) or not graph:
            home = self._home(one)
            if home is None:
                return None
            if graph and home != graph:
                self._misplaced(one, graph)
                return None
            if home:
                return home
            if claim:
                return claim
            if not self.has_graphs:
                return None  # told already: no claim, or several
            self._outside(one)
            return None
        return self._claim_graph(one, graph)

    def _home(self, one: Statement) -> str | None:
        """Return the shared graph of a statement outside claims; "" for a claim's, None for none."""
        subject, kinds = one.subject.value, self.candidate.types.get(one.subject.value, set())
        if CLAIM in kinds or subject.startswith(names.CLAIM):
            return names.CLAIMS_GRAPH if self._is_mine(one, DRAFT_CLAIM, _DRAFT) else None
        if kinds & {PASSAGE, SELECTOR} or subject.startswith(names.PASSAGE):
            return names.PASSAGES_GRAPH if self._is_mine(one, DRAFT_PASSAGE, _DRAFT) else None
        if subject.startswith(_OTHERS):
            self._tell_not_yours(one)
            return None
        if self.published.has_subject(subject):
            return self._known(one)
        if subject.startswith(names.DOCUMENT):
            return names.ENTITIES_GRAPH if self._is_well_named(one, names.DOCUMENT, _DOCUMENT) else None
        if one.predicate.value in _NAMING or not one.predicate.value.startswith(names.LAT):
            return names.ENTITIES_GRAPH if self._is_well_named(one, names.ID, _ENTITY) else None
        return ""

    def _known(self, one: Statement) -> str | None:
        """Say where a statement of something published belongs: its name is given, the rest is for claims."""
        subject, predicate = one.subject.value, one.predicate.value
        if predicate not in _NAMING or (predicate == TYPE and not (self.has_graphs or one.graph)):
            return ""
        same = self._names_another(one)
        label = self.published.find_label(subject)
        name = f"{self._short(subject)} exists already" + (f" ({label})" if label else "")
        if same:
            message, fix = (
                f"{name}: if you mean another thing, it needs another name.",
                "give it a slug of its own.",
            )
        else:
            message, fix = (
                f"{name}: what it is called is said once.",
                "leave its type, label and description out.",
            )
        self._tell(one, "subject", "already-named", message, fix)
        return None

    def _names_another(self, one: Statement) -> bool:
        """Tell whether the text speaks of another thing under the name of something published."""
        subject = one.subject.value
        label = self.candidate.labels.get(subject)
        if label is None:
            return False
        known = {
            quad.object.value
            for quad in self.published.quads_about(subject)
            if isinstance(quad.object, ox.Literal)
        }
        return fold(label) not in {fold(text) for text in known}

    def _misplaced(self, one: Statement, graph: str) -> None:
        home = self._home(one)
        short = self.candidate.short
        expected = f"in {short(home)}" if home else "in a claim, such as draft:1 { … }"
        if graph in (names.CLAIMS_GRAPH, names.PASSAGES_GRAPH, names.ENTITIES_GRAPH):
            self._tell(
                one,
                "subject",
                "misplaced-triple",
                f"{self.candidate.name(one.subject.value)} stands in {short(graph)}: expected it {expected}.",
                f"move {short(one.predicate.value)} there.",
                expected=expected,
            )
        else:
            self._tell_not_yours(one, part="graph")

    def _outside(self, one: Statement) -> None:
        self._tell(
            one,
            "subject",
            "outside-claim",
            f"{self.candidate.name(one.subject.value)} stands outside any claim: expected "
            f"{self._short(one.predicate.value)} in one, so that it has its evidence.",
            "put it into the graph of the claim that says it: draft:1 { … }.",
        )

    def _claim_graph(self, one: Statement, graph: str) -> str | None:
        subject = one.subject.value
        if graph.startswith(names.CLAIM) and not self._is_mine(one, DRAFT_CLAIM, _DRAFT, part="graph"):
            return None
        if not graph.startswith(names.CLAIM):
            self._tell(
                one,
                "graph",
                "not-a-claim",
                f"{self._short(graph)} names a graph: expected a draft claim, such as draft:1.",
                "name it draft:1, and give draft:1 a record.",
                subject=graph,
            )
            return None
        kinds = self.candidate.types.get(subject, set())
        if kinds & {CLAIM, PASSAGE, SELECTOR} or subject.startswith((names.CLAIM, names.PASSAGE)):
            self._tell(
                one,
                "subject",
                "misplaced-triple",
                f"{self._short(subject)} stands inside a claim: expected records and passages outside.",
                "move its block out of the braces.",
            )
            return None
        if subject.startswith(_OTHERS):
            self._tell_not_yours(one)
            return None
        if one.predicate.value in _NAMED_APART:
            self._tell(
                one,
                "predicate",
                "named-in-claim",
                f"{self.candidate.name(subject)} is given its {self._short(one.predicate.value)} inside a "
                "claim: expected it once, outside.",
                "move it out of the braces, if the thing is new; leave it out if it is not.",
                subject=subject,
            )
            return None
        return graph

    # --- whose things are ---------------------------------------------------------------------------

    def _tell_not_yours(self, one: Statement, part: Part = "subject") -> None:
        about = getattr(one, part).value
        what = "a graph that the project keeps" if part == "graph" else "kept by the project"
        self._tell(
            one,
            part,
            "not-yours",
            f"{self.candidate.name(about)} is {what}: a contribution adds claims, passages, "
            "new entities and new documents.",
            "leave it out; a new term or concept is proposed as a change of the ontology.",
            subject=about,
        )

    def _is_mine(self, one: Statement, base: str, pattern: re.Pattern[str], part: Part = "subject") -> bool:
        """Tell whether a claim or passage is a draft; if not, say whose it is."""
        iri = getattr(one, part).value
        local = iri.removeprefix(base).removesuffix("#selector")
        if iri.startswith(base) and pattern.match(local):
            return True
        prefix = "draft:" if base == DRAFT_CLAIM else "draft-passage:"
        kind = "claim" if base == DRAFT_CLAIM else "passage"
        if iri.startswith(base):
            self._tell(
                one,
                part,
                "malformed-slug",
                f"{self._short(iri)} is not named as a draft is: expected one to four digits, or lower-case "
                "words with hyphens.",
                f"name it {prefix}1.",
                subject=iri,
            )
            return True
        if self.published.has_subject(iri):
            self._tell(
                one,
                part,
                "not-yours",
                f"{self._short(iri)} is a published {kind}: a contribution adds claims and passages and "
                "changes none.",
                f"say what you have to say in a {kind} of your own, {prefix}1; "
                "to correct a claim, ask for its correction.",
                subject=iri,
            )
            return False
        self._tell(
            one,
            part,
            "not-a-draft",
            f"{self._short(iri)} is no draft {kind}: its number is given when it is accepted.",
            f"name it {prefix}1.",
            subject=iri,
        )
        return True  # the rest is judged under the name that it has

    def _is_well_named(self, one: Statement, base: str, pattern: re.Pattern[str]) -> bool:
        iri = one.subject.value
        if iri.startswith(base) and pattern.match(iri.removeprefix(base)):
            return True
        label = self.candidate.labels.get(iri) or iri.rsplit("/", 1)[-1]
        prefix = "document:" if base == names.DOCUMENT else "id:"
        wanted = f"{prefix}{names.slugify(label) or '…'}"
        self._tell(
            one,
            "subject",
            "malformed-slug",
            f"{self._short(iri)} is not named as things here are: expected {prefix} and "
            "lower-case words with hyphens.",
            f"name it {wanted}.",
            expected=wanted,
        )
        return True

    # --- the whole -----------------------------------------------------------------------------------

    def _records(self) -> Iterator[Problem]:
        """Tell of claims without a record and of records without a claim."""
        candidate = self.candidate
        graphs: dict[str, Statement] = {}
        for one in candidate.placed:
            if one.graph.startswith(names.CLAIM):
                graphs.setdefault(one.graph, one.statement)
        for graph, first in graphs.items():
            is_told = bool(self.told & {("not-yours", graph), ("not-a-draft", graph)})
            if graph not in self.claims and not candidate.types.get(graph) and not is_told:
                yield candidate.at(
                    first,
                    "graph",
                    "claim-without-record",
                    f"{candidate.short(graph)} has no record: expected it to be a lat:Claim with "
                    "lat:statedIn, lat:evidence and lat:epistemicStatus.",
                    fix="add the record, outside the braces; its evidence is a passage (kg cite prints one).",
                    subject=graph,
                )
        for claim in self.claims:
            if claim not in graphs and claim.startswith(DRAFT_CLAIM) and not self.told:
                head = next(
                    one
                    for one in self.statements
                    if one.subject.value == claim
                    and one.predicate.value == TYPE
                    and one.object.value == CLAIM
                )
                yield candidate.at(
                    head,
                    "subject",
                    "record-without-triples",
                    f"{candidate.short(claim)} is recorded and says nothing: expected triples in its graph.",
                    fix=f"write what the passage says: {candidate.short(claim)} {{ … }}.",
                )

    def _names(self) -> Iterator[Problem]:
        """Tell of new things that have the name of something published, of the same class or of another."""
        candidate = self.candidate
        seen: dict[str, str] = {}
        for one in candidate.placed:
            statement = one.statement
            if one.graph != names.ENTITIES_GRAPH or statement.predicate.value not in (LABEL, ALIAS):
                continue
            subject, folded = statement.subject.value, fold(statement.object.value)
            kinds = candidate.types.get(subject, set())
            if seen.setdefault(folded, subject) != subject and kinds & candidate.types.get(
                seen[folded], set()
            ):
                yield self._same_name(statement, seen[folded], level="error")
            for other, is_alias in self.published.by_name.get(folded, ()):
                if is_alias and statement.predicate.value == ALIAS:
                    continue
                label = self.published.find_label(other) or ""
                is_same = is_alias or label.casefold() == statement.object.value.casefold()
                is_same_kind = is_same and bool(kinds & self.published.types(other))
                if names.SKOS + "Concept" in self.published.types(other) or self._are_sections(kinds):
                    continue
                yield self._same_name(statement, other, level="error" if is_same_kind else "warning")

    def _are_sections(self, kinds: set[str]) -> bool:
        return names.LAT + "Section" in kinds  # two documents may have sections of one heading

    def _same_name(self, one: Statement, other: str, *, level: str) -> Problem:
        short = self.candidate.short
        return self.candidate.at(
            one,
            "object",
            "same-name",
            f"{one.object.value} is {short(other)} already ({self.candidate.find_label(other)}): "
            "expected one name for one thing.",
            level=level,
            fix=f"write {short(other)} instead of {short(one.subject.value)} and leave its block out; "
            "if it is another thing, add what tells them apart.",
            found=one.object.value,
            expected=short(other),
        )
