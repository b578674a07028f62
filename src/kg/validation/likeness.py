"""What a contribution says again, says otherwise, or says oddly: told, never refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

import pyoxigraph as ox

from kg import names
from kg.errors import Problem
from kg.turtle import Statement, Term
from kg.validation.candidate import TYPE, Candidate, Placed, to_ox

_EVIDENCE = ox.NamedNode(names.LAT + "evidence")
_STATED_IN = ox.NamedNode(names.LAT + "statedIn")
_TEXT = {names.RDF + "langString", names.XSD + "string"}
_MAX_LOOKED_AT = 400
_MAX_ALIKE = 5


def _lat(*locals: str) -> frozenset[str]:
    return frozenset(names.LAT + one for one in locals)


# What makes a record the same record: of these properties all values agree; `says` is what may then differ.
_KEYS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "Figure": (_lat("metric", "about", "aboutCategory", "heldBy", "asOf", "beneficiary"), _lat("value")),
    "LifecycleEvent": (_lat("ofInstrument", "toStage"), _lat("date")),
    "Founding": (_lat("foundingOf"), _lat("date")),
    "Joining": (_lat("joiningOf", "performedBy"), _lat("date")),
    "Membership": (_lat("membershipOf", "membershipIn"), _lat("startDate", "endDate")),
    "Tenure": (_lat("tenureHolder", "tenureIn", "inRole"), _lat("startDate", "endDate")),
    "Citation": (_lat("citingDocument", "citedWork", "footnoteNumber"), _lat()),
}
# What has one value at a time though no shape says so; a second one is worth a look.
_USUALLY_ONE = _lat(
    "adoptedBy", "atPlace", "chairedBy", "heardBy", "organOf", "provisionOf", "saidAt", "speaker"
)


class Likeness:
    """
    One pass over what a contribution says, beside what is published.

    Args:
        candidate: The arranged contribution.
        placed: Its statements to look at.
        told: The statements that an earlier problem stands on.
    """

    def __init__(self, candidate: Candidate, placed: Iterable[Placed], told: set[Statement]) -> None:
        self.candidate, self.published, self.told = candidate, candidate.published, told
        self.lexicon = candidate.published.lexicon
        self.claims: dict[str, list[Statement]] = defaultdict(list)
        self.records: dict[str, list[Statement]] = defaultdict(list)
        self.documents: dict[str, str] = {}
        self._claims_here: dict[tuple[Term, ...], set[str]] = defaultdict(set)
        for one in placed:
            if one.graph.startswith(names.CLAIM):
                self.claims[one.graph].append(one.statement)
                self._claims_here[one.statement[1:4]].add(one.graph)
                self.records[one.statement.subject.value].append(one.statement)
            elif one.statement.predicate.value == _STATED_IN.value:
                self.documents[one.statement.subject.value] = one.statement.object.value

        self._numbers = {one: number for number, one in enumerate(self.claims)}

    def problems(self) -> Iterator[Problem]:
        """Yield what is said already, said otherwise, and said twice here."""
        repeated = set()
        for claim, statements in self.claims.items():
            found = self._repeated(claim, statements)
            if found:
                repeated.add(claim)
                yield found
        for claim, statements in self.claims.items():
            if claim not in repeated:
                yield from self._otherwise(statements)
        yield from self._records_alike()
        for subject in self.records:
            yield from self._chairs(subject)

    # --- claims -----------------------------------------------------------------------------------------

    def _repeated(self, claim: str, statements: list[Statement]) -> Problem | None:
        """Tell of a claim whose triples, but for classes, all stand in one published claim."""
        triples = [one for one in statements if one.predicate.value != TYPE]
        common: set[str] | None = None
        for one in triples:
            said = set(self.published.claims_saying(_triple(one)))
            common = said if common is None else common & said
            if not common:
                return self._repeated_here(claim, statements)
        if not common:
            return None
        mine = self.documents.get(claim)
        same = sorted(one for one in common if self._document(one) == mine)
        other = same[0] if same else min(common)
        passage = next(iter(self._passages(other)), None)
        where = f" (passage {self.candidate.short(passage)})" if passage else ""
        name = self.candidate.short(other)
        if same:
            message = f"this is claim {name} already{where}: every triple of it stands there."
            fix = "leave the claim out; if this passage adds evidence, say so in a remark."
        else:
            message = (
                f"claim {name} of another document says the same{where}: the graph would have two receipts."
            )
            fix = None
        return self.candidate.at(
            statements[0],
            "graph" if statements[0].graph else "subject",
            "duplicate-claim",
            message,
            level="warning" if same else "note",
            fix=fix,
            subject=claim,
            found=name,
        )

    def _repeated_here(self, claim: str, statements: list[Statement]) -> Problem | None:
        """Tell of a claim that another claim of the contribution says already."""
        mine = {one[1:4] for one in statements if one.predicate.value != TYPE}
        sharing = [self._claims_here[one] for one in mine]
        for other in sorted(set.intersection(*sharing) if sharing else ()):
            is_earlier = self._numbers[other] < self._numbers[claim]
            if is_earlier and self._documents_agree(claim, other):
                return self.candidate.at(
                    statements[0],
                    "graph",
                    "duplicate-claim",
                    f"{self.candidate.short(claim)} says what {self.candidate.short(other)} says already.",
                    level="warning",
                    fix=f"leave it out, and give {self.candidate.short(other)} both passages.",
                    subject=claim,
                )
        return None

    def _documents_agree(self, claim: str, other: str) -> bool:
        return self.documents.get(claim) == self.documents.get(other)

    def _document(self, claim: str) -> str | None:
        quads = self.published.store.quads_for_pattern(ox.NamedNode(claim), _STATED_IN, None, None)
        return next((one.object.value for one in quads if isinstance(one.object, ox.NamedNode)), None)

    def _passages(self, claim: str) -> list[str]:
        quads = self.published.store.quads_for_pattern(ox.NamedNode(claim), _EVIDENCE, None, None)
        return sorted({one.object.value for one in quads if isinstance(one.object, ox.NamedNode)})

    # --- values -----------------------------------------------------------------------------------------

    def _otherwise(self, statements: list[Statement]) -> Iterator[Problem]:
        """Tell of values beside which the published claims give others."""
        for one in statements:
            if one in self.told or not self._has_one(one):
                continue
            known = list(self.published.values(one.subject.value, one.predicate.value))
            if not known or any(value == to_ox(one.object) for value, _ in known):
                continue
            value, claim = known[0]
            name = self.candidate.name(one.subject.value)
            property_ = self.candidate.short(one.predicate.value)
            here, there = self._written(to_ox(one.object)), self._written(value)
            if _is_coarser(one.object.value, value.value):
                yield self.candidate.at(
                    one,
                    "object",
                    "other-precision",
                    f"{property_} of {name} is {here} here and {there} in {self.candidate.short(claim)}: "
                    "the same, more or less precisely.",
                    level="note",
                    found=here,
                    expected=there,
                )
                continue
            yield self.candidate.at(
                one,
                "object",
                "contradiction",
                f"{property_} of {name} is {here} here and {there} in claim {self.candidate.short(claim)}.",
                level="warning",
                fix="look again at both passages; if both say so, it stays: a reviewer decides.",
                found=here,
                expected=there,
            )

    def _chairs(self, subject: str) -> Iterator[Problem]:
        """Tell of a tenure in the chair of something that somebody else chairs, as far as is published."""
        said = {one.predicate.value: one for one in self.records[subject]}
        body, holder, role = (said.get(names.LAT + one) for one in ("tenureIn", "tenureHolder", "inRole"))
        is_chair = role is not None and role.object.value == names.CONCEPT + "role/chair"
        if body is None or holder is None or not is_chair or names.LAT + "startDate" in said:
            return
        for value, claim in self.published.values(body.object.value, names.LAT + "chairedBy"):
            if value.value != holder.object.value:
                yield self.candidate.at(
                    holder,
                    "object",
                    "contradiction",
                    f"{self.candidate.name(body.object.value)} is chaired by {self._written(value)} in claim "
                    f"{self.candidate.short(claim)}, and here by {self.candidate.name(holder.object.value)}.",
                    level="warning",
                    fix="look again at both passages; if the chair changed, say since when.",
                    found=self._written(to_ox(holder.object)),
                    expected=self._written(value),
                )
                return

    def _has_one(self, one: Statement) -> bool:
        """Tell whether a property has one value at a time: a date, a number, an office of one."""
        if one.object.kind == "literal":
            return not one.object.language and (one.object.datatype or names.XSD + "string") not in _TEXT
        return one.predicate.value in _USUALLY_ONE

    def _written(self, value: object) -> str:
        if isinstance(value, ox.NamedNode):
            return self.candidate.name(value.value)
        assert isinstance(value, ox.Literal)
        return value.value

    # --- records ----------------------------------------------------------------------------------------

    def _records_alike(self) -> Iterator[Problem]:
        """Tell of new records that say what a published one of the class says, or another value for it."""
        for subject, statements in self.records.items():
            if self.published.has_subject(subject) or any(one in self.told for one in statements):
                continue
            for kind in self.candidate.types.get(subject, ()):
                keys = _KEYS.get(kind.removeprefix(names.LAT))
                if keys:
                    yield from self._compare(subject, statements, kind, keys)

    def _compare(
        self,
        subject: str,
        statements: list[Statement],
        kind: str,
        keys: tuple[frozenset[str], frozenset[str]],
    ) -> Iterator[Problem]:
        key, says = keys
        mine = {(one.predicate.value, one.object.value) for one in statements if one.predicate.value in key}
        things = [one for one in statements if one.predicate.value in key and one.object.kind == "iri"]
        if len(things) < min(2, len(key)):
            return
        for other in islice(self._others(things, kind), _MAX_ALIKE):
            quads = list(self.published.quads_about(other))
            theirs = {
                (one.predicate.value, _value(one.object)) for one in quads if one.predicate.value in key
            }
            if theirs != mine:
                continue
            yield self._alike(
                subject, statements, other, {q for q in quads if q.predicate.value in says}, says
            )
            return

    def _others(self, things: list[Statement], kind: str) -> Iterator[str]:
        """Yield the published records of a class that have all these values."""
        store, common = self.published.store, None
        for one in things:
            quads = store.quads_for_pattern(None, ox.NamedNode(one.predicate.value), to_ox(one.object), None)
            found = {quad.subject for quad in islice(quads, _MAX_LOOKED_AT)}
            common = found if common is None else common & found
        for node in sorted(common or (), key=str):
            if isinstance(node, ox.NamedNode) and kind in self.published.types(node.value):
                yield node.value

    def _alike(
        self, subject: str, statements: list[Statement], other: str, quads: set[ox.Quad], says: frozenset[str]
    ) -> Problem:
        """Tell of one record like another: a contradiction where what it says differs."""
        name = self.candidate.name(other)
        theirs = {quad.predicate.value: quad for quad in quads}
        for one in statements:
            quad = theirs.get(one.predicate.value) if one.predicate.value in says else None
            if quad is None or _value(quad.object) == one.object.value:
                continue
            graph = quad.graph_name
            claim = self.candidate.short(graph.value) if isinstance(graph, ox.NamedNode) else ""
            is_coarser = _is_coarser(one.object.value, _value(quad.object))
            return self.candidate.at(
                one,
                "object",
                "other-precision" if is_coarser else "contradiction",
                f"{self.candidate.short(one.predicate.value)} is {one.object.value} here and "
                f"{_value(quad.object)} of {name} in claim {claim}, which is about the same.",
                level="note" if is_coarser else "warning",
                fix="look again at both passages; if both say so, it stays: a reviewer decides.",
                found=one.object.value,
                expected=_value(quad.object),
            )
        return self.candidate.at(
            statements[0],
            "subject",
            "similar-record",
            f"{self.candidate.name(subject)} says the same as {name}: expected one record.",
            level="warning",
            fix=f"write {self.candidate.short(other)}, and leave the new record out; or add what differs.",
            found=self.candidate.short(subject),
            expected=self.candidate.short(other),
        )


def _triple(one: Statement) -> ox.Triple:
    return ox.Triple(to_ox(one.subject), to_ox(one.predicate), to_ox(one.object))  # type: ignore[arg-type]


def _value(term: object) -> str:
    return term.value if isinstance(term, ox.NamedNode | ox.Literal) else ""


def _is_coarser(one: str, other: str) -> bool:
    """
    Tell whether two dates differ only in how precise they are.

    >>> _is_coarser("2021", "2021-03-09"), _is_coarser("2021", "2020")
    (True, False)
    """
    short, long = sorted((one, other), key=len)
    return long.startswith(short + "-") and short[:1].isdigit()
