"""What a contribution would change: what it says in words, what would follow, which answers change."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyoxigraph as ox

from kg import names, publication, templates
from kg.contributions.wording import ClaimInWords, Words, to_quad
from kg.dataset import Dataset, Snapshot
from kg.errors import KGError
from kg.names import Prefixes
from kg.turtle import Statement

LIMIT_S = 30.0
MAX_ROWS = 10
MAX_INFERRED = 200
Progress = Callable[[str], None]
Row = tuple[str, ...]
_TYPE = ox.NamedNode(names.RDF + "type")
_DEFAULT = ox.DefaultGraph()
_INFERRED = ox.NamedNode(names.INFERRED_GRAPH)
_ABOUT_CLAIMS = (names.CLAIMS_GRAPH, names.PASSAGES_GRAPH, names.ENTITIES_GRAPH, names.CONTRIBUTIONS_GRAPH)


@dataclass(frozen=True)
class AnswerChange:
    """
    How the answer to one question would change.

    Args:
        template: Its key.
        question: As a sentence, with the values asked.
        values: The values asked, by parameter.
        columns: The names of the columns.
        added: Rows that come.
        removed: Rows that go.
        changed: Rows of which the first column stays and something else changes: before and after.
        counts: How many rows are added, removed, changed; of each at most `MAX_ROWS` are told.
    """

    template: str
    question: str
    values: Mapping[str, str]
    columns: tuple[str, ...]
    added: tuple[Row, ...]
    removed: tuple[Row, ...]
    changed: tuple[tuple[Row, Row], ...]
    counts: Mapping[str, int]


@dataclass
class Preview:
    """
    What would change.

    Args:
        claims: What comes, in words.
        taken_out: What goes, in words: the claims that it corrects.
        named: New things, by label and class.
        inferred: What would follow, as sentences; at most `MAX_INFERRED`.
        no_longer_inferred: What would no longer follow.
        inferred_count: How many inferences come.
        answers: Which answers change.
        asked: How many questions were asked.
        not_asked: Questions that time did not allow.
    """

    claims: list[ClaimInWords] = field(default_factory=list)
    taken_out: list[ClaimInWords] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    inferred: list[str] = field(default_factory=list)
    no_longer_inferred: list[str] = field(default_factory=list)
    inferred_count: int = 0
    answers: list[AnswerChange] = field(default_factory=list)
    asked: int = 0
    not_asked: int = 0


def preview(
    statements: Iterable[Statement],
    snapshot: Snapshot,
    root: Path,
    *,
    taking_out: Collection[str] = (),
    copies: Mapping[str, str] | None = None,
    limit_s: float = LIMIT_S,
    progress: Progress = lambda _: None,
) -> Preview:
    """
    Say what would change if a contribution were accepted.

    Runs the project's own questions in this process, before and after; what users write is not run here.

    Args:
        statements: What it says, under the names that it would get.
        snapshot: The published version.
        root: The project's root folder, for rules and questions.
        taking_out: Published claims that it corrects.
        copies: The contributor's copies of documents, by slug.
        limit_s: After how many seconds no further question is asked.
        progress: Called with one line at each step.
    """
    said = list(statements)
    progress("loading the published version")
    before = ox.Store()
    before.bulk_load(path=str(snapshot.quads_path), format=ox.RdfFormat.N_QUADS)
    progress("inferring")
    after = _after(before, said, set(taking_out), snapshot.prefixes, root)
    words = Words(after, before)
    found = Preview(
        claims=list(words.tell_claims(said, copies or {})),
        taken_out=[words.tell_published(one) for one in sorted(taking_out)],
        named=list(words.tell_named(said)),
    )
    come, gone = _difference(before, after)
    found.inferred_count = len(come)
    found.inferred = [words.tell(one) for one in come[:MAX_INFERRED]]
    found.no_longer_inferred = [words.tell(one) for one in gone[:MAX_INFERRED]]
    asker = _Asker(before, after, words, progress=progress, deadline=time.monotonic() + limit_s)
    asker.ask(templates.load_templates(root, snapshot.prefixes, passed_over=[]).values(), _touched(said))
    found.answers, found.asked, found.not_asked = asker.changes, asker.asked, asker.not_asked
    return found


def _after(
    before: ox.Store, said: Iterable[Statement], gone: set[str], prefixes: Prefixes, root: Path
) -> ox.Store:
    """Return the store as it would be, inferences and merge included."""
    dataset = Dataset(root, [], prefixes)
    dataset.store.bulk_extend(one for one in before if _stays(one, gone))
    dataset.store.bulk_extend(to_quad(one) for one in said if one.graph)
    publication.infer(dataset)
    store = dataset.store
    shapes = ox.NamedNode(names.SHAPES_GRAPH)
    merged = {one.triple for one in store if one.graph_name != shapes}
    store.bulk_extend(ox.Quad(*one) for one in merged)
    return store


def _stays(quad: ox.Quad, gone: set[str]) -> bool:
    graph, subject = quad.graph_name, quad.subject
    if not isinstance(graph, ox.NamedNode) or graph == _INFERRED:
        return False
    return graph.value not in gone and not (isinstance(subject, ox.NamedNode) and subject.value in gone)


def _difference(before: ox.Store, after: ox.Store) -> list[list[ox.Triple]]:
    """Return the inferences that come and those that go."""
    old = {one.triple for one in before.quads_for_pattern(None, None, None, _INFERRED)}
    new = {one.triple for one in after.quads_for_pattern(None, None, None, _INFERRED)}
    # what is stated now and was inferred before has not gone
    gone = [one for one in old - new if _is_absent(after, one)]
    return [sorted(filter(_is_worth_telling, some), key=_types_last) for some in (new - old, gone)]


def _is_worth_telling(triple: ox.Triple) -> bool:
    """Leave out what follows for records: that a claim is an information record is no news."""
    subject = getattr(triple.subject, "value", "")
    return not subject.startswith((names.CLAIM, names.PASSAGE, f"{names.ID}contributor-"))


def _types_last(triple: ox.Triple) -> tuple[bool, str]:
    return triple.predicate == _TYPE, str(triple)


def _is_absent(store: ox.Store, triple: ox.Triple) -> bool:
    found = store.quads_for_pattern(triple.subject, triple.predicate, triple.object, None)
    return next(found, None) is None


def _touched(said: Iterable[Statement]) -> list[str]:
    """Return what the claims speak of: things and concepts, each once."""
    found: dict[str, None] = {}
    for one in said:
        if one.graph and one.graph.value not in _ABOUT_CLAIMS:
            for term in (one.subject, one.object):
                if term.kind == "iri" and term.value.startswith((names.ID, names.CONCEPT)):
                    found[term.value] = None
    return list(found)


class _Asker:
    """Asks questions before and after, and keeps the answers that differ."""

    def __init__(
        self, before: ox.Store, after: ox.Store, words: Words, *, progress: Progress, deadline: float
    ) -> None:
        self.before, self.after, self.words = before, after, words
        self.progress, self.deadline = progress, deadline
        self.changes: list[AnswerChange] = []
        self.asked = self.not_asked = 0

    def ask(self, known: Iterable[templates.Template], touched: Sequence[str]) -> None:
        """
        Ask each question as it stands, then about each thing that is touched and that it takes.

        A value only narrows an answer. So where the answer without any stays, those with one do too.
        """
        questions = list(known)
        self._ask_all([(one, values) for one in questions for values in _as_they_stand(one)])
        differing = {one.template for one in self.changes}
        left = [one for one in questions if one.key in differing or _needed(one) or "LIMIT" in one.query]
        self._ask_all([(one, values) for one in left for values in self._about(one, touched)])

    def _ask_all(self, rounds: Sequence[tuple[templates.Template, dict[str, str]]]) -> None:
        self.progress(f"asking {len(rounds)} questions, before and after")
        for number, (template, values) in enumerate(rounds):
            if time.monotonic() > self.deadline:
                self.not_asked += len(rounds) - number
                return
            self.asked += 1
            self._compare(template, values)

    def _about(self, template: templates.Template, touched: Sequence[str]) -> Iterator[dict[str, str]]:
        needed = _needed(template)
        for parameter in template.parameters.values():
            if parameter.type == "iri":
                for iri in touched:
                    if self._takes(parameter, iri):
                        yield {**needed, parameter.name: iri}

    def _takes(self, parameter: templates.Parameter, iri: str) -> bool:
        if parameter.scheme:
            return iri.startswith(f"{names.CONCEPT}{parameter.scheme}/")
        if parameter.class_iri is None:
            return True
        kind = ox.NamedNode(parameter.class_iri)
        pattern = (ox.NamedNode(iri), _TYPE, kind, _DEFAULT)
        return next(self.after.quads_for_pattern(*pattern), None) is not None

    def _compare(self, template: templates.Template, values: dict[str, str]) -> None:
        try:
            query = template.bind(values)
            old, new = _rows(self.before, query), _rows(self.after, query)
        except (KGError, SyntaxError, ValueError, RuntimeError, OSError):
            return  # a question that cannot be asked is the check's to tell
        added, removed = _left(new, old), _left(old, new)
        if not added and not removed:
            return
        changed = _pair(removed, added)
        told = {name: self._plain(value, template.prefixes) for name, value in values.items()}
        unset = dict.fromkeys(template.parameters, "…")
        self.changes.append(
            AnswerChange(
                template.key,
                template.sentence(unset | told),
                told,
                template.columns,
                tuple(map(self._row, added[:MAX_ROWS])),
                tuple(map(self._row, removed[:MAX_ROWS])),
                tuple((self._row(one), self._row(two)) for one, two in changed[:MAX_ROWS]),
                {"added": len(added), "removed": len(removed), "changed": len(changed)},
            )
        )

    def _plain(self, value: str, prefixes: Prefixes) -> str:
        iri = prefixes.expand(value) if value.partition(":")[0] in prefixes else value
        return self.words.label(ox.NamedNode(iri)) if templates.is_iri(iri) else value

    def _row(self, row: tuple[object, ...]) -> Row:
        return tuple(
            "" if one is None else one.value if isinstance(one, ox.Literal) else self.words.label(one)
            for one in row
        )


def _as_they_stand(template: templates.Template) -> Iterator[dict[str, str]]:
    """Yield the values to ask a question with: as few as it needs, and those of its examples."""
    needed = _needed(template)
    yield needed
    examples = {one.name: one.example for one in template.parameters.values() if one.example}
    if examples and examples != needed:
        yield examples


def _needed(template: templates.Template) -> dict[str, str]:
    required = [one for one in template.parameters.values() if one.required and one.default is None]
    return {one.name: one.example for one in required if one.example}


def _rows(store: ox.Store, query: str) -> list[tuple[object, ...]]:
    found = store.query(query)
    assert isinstance(found, ox.QuerySolutions)
    size = len(found.variables)
    return [tuple(row[at] for at in range(size)) for row in found]


def _left(rows: list[tuple[object, ...]], others: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Return the rows that others have not, each as often as it is more."""
    spare = Counter(map(_key, others))
    found = []
    for row in sorted(rows, key=_key):
        spare[_key(row)] -= 1
        if spare[_key(row)] < 0:
            found.append(row)
    return found


def _key(row: tuple[object, ...]) -> str:
    """Return what tells a row from another; the order inside a joined cell is nobody's choice."""
    return "\0".join("; ".join(sorted(getattr(one, "value", "").split("; "))) for one in row)


def _pair(
    removed: list[tuple[object, ...]], added: list[tuple[object, ...]]
) -> list[tuple[tuple[object, ...], tuple[object, ...]]]:
    """Take the rows out of both lists that say something else of the same thing, and return them in pairs."""
    heads = Counter(row[0] for row in removed), Counter(row[0] for row in added)
    pairs = [
        (old, new)
        for old in removed
        for new in added
        if old[0] == new[0] and heads[0][old[0]] == heads[1][new[0]] == 1
    ]
    for old, new in pairs:
        removed.remove(old)
        added.remove(new)
    return pairs
