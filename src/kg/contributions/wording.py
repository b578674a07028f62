"""Claims, passages and inferences as sentences, with labels in the place of IRIs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyoxigraph as ox

from kg import names
from kg.turtle import Statement, Term

_LABEL = ox.NamedNode(names.RDFS + "label")
_PREF_LABEL = ox.NamedNode(names.SKOS + "prefLabel")
_TYPE = ox.NamedNode(names.RDF + "type")
_DEFAULT = ox.DefaultGraph()


@dataclass(frozen=True)
class ClaimInWords:
    """
    One claim, as a reader wants it told.

    Args:
        claim: Its IRI.
        document: The label of its document.
        status: The label of its epistemic status.
        sentences: What it says, subject, property and object by label.
        passages: Where that stands: first and last words, section; the words where a copy is at hand.
    """

    claim: str
    document: str
    status: str
    sentences: tuple[str, ...]
    passages: tuple[str, ...]


class Words:
    """
    Triples as sentences.

    Args:
        stores: Where labels are looked up, one after the other; the last is the published one.
    """

    def __init__(self, *stores: ox.Store) -> None:
        self.stores = stores

    def label(self, node: object) -> str:
        """Return what a term is called; a text in quotation marks."""
        if isinstance(node, Term):
            node = to_node(node)
        if isinstance(node, ox.Literal):
            is_text = bool(node.language) or node.datatype.value == names.XSD + "string"
            return f"“{node.value}”" if is_text else node.value
        for store in self.stores:
            for predicate in (_LABEL, _PREF_LABEL):
                for quad in store.quads_for_pattern(node, predicate, None, _DEFAULT):  # type: ignore[arg-type]
                    return str(quad.object.value)  # type: ignore[union-attr]
        iri = getattr(node, "value", str(node))
        return str(iri)[max(str(iri).rfind("/"), str(iri).rfind("#")) + 1 :]

    def tell(self, triple: ox.Triple) -> str:
        """Return a triple as a sentence."""
        subject, value = self.label(triple.subject), self.label(triple.object)
        if triple.predicate == _TYPE:
            return f"{subject} is {'an' if value[:1] in 'aeiouAEIOU' else 'a'} {value}."
        return f"{subject} {self.label(triple.predicate)} {value}".rstrip(".") + "."

    def tell_claims(self, said: list[Statement], copies: Mapping[str, str]) -> Iterator[ClaimInWords]:
        """Tell each claim of a contribution."""
        graphs: dict[str, list[Statement]] = {}
        records: dict[str, dict[str, list[Term]]] = {}
        for one in said:
            graph = one.graph.value if one.graph else ""
            if graph.startswith(names.CLAIM):
                graphs.setdefault(graph, []).append(one)
            elif graph in (names.CLAIMS_GRAPH, names.PASSAGES_GRAPH):
                about = records.setdefault(one.subject.value, {})
                about.setdefault(one.predicate.value, []).append(one.object)
        for claim, statements in sorted(graphs.items()):
            record = records.get(claim, {})
            sentences = [self.tell(to_quad(one).triple) for one in statements]
            yield ClaimInWords(
                claim,
                self._labels(record, "statedIn"),
                self._labels(record, "epistemicStatus"),
                tuple(sentences),
                tuple(
                    self._passage(records.get(one.value, {}), records, copies)
                    for one in record.get(names.LAT + "evidence", ())
                ),
            )

    def tell_published(self, claim: str) -> ClaimInWords:
        """Tell a claim that is published."""
        store, about = self.stores[-1], ox.NamedNode(claim)
        quads = store.quads_for_pattern(None, None, None, about)

        def of(name: str) -> str:
            found = store.quads_for_pattern(about, ox.NamedNode(names.LAT + name), None, _DEFAULT)
            return ", ".join(self.label(one.object) for one in found)

        sentences = tuple(sorted(self.tell(one.triple) for one in quads))
        return ClaimInWords(claim, of("statedIn"), of("epistemicStatus"), sentences, ())

    def tell_named(self, said: Iterable[Statement]) -> Iterator[str]:
        """Tell the things that a contribution names."""
        for one in said:
            is_entity = one.graph is not None and one.graph.value == names.ENTITIES_GRAPH
            if is_entity and one.predicate.value == _TYPE.value:
                yield f"{self.label(one.subject)} ({self.label(one.object)})"

    def _labels(self, record: Mapping[str, list[Term]], name: str) -> str:
        return ", ".join(self.label(one) for one in record.get(names.LAT + name, ()))

    def _passage(
        self,
        record: Mapping[str, list[Term]],
        records: Mapping[str, Mapping[str, list[Term]]],
        copies: Mapping[str, str],
    ) -> str:
        def first(name: str, of: Mapping[str, list[Term]] = record) -> str:
            return next((one.value for one in of.get(name, ())), "")

        where = self._labels(record, "inSection") or self._labels(record, "footnoteNumber")
        selector = records.get(first(names.OA + "hasSelector"), {})
        start, end = first(names.OA + "start", selector), first(names.OA + "end", selector)
        text = copies.get(first(names.OA + "hasSource").removeprefix(names.DOCUMENT), "")
        words = " ".join(text[int(start) : int(end)].split()) if start.isdigit() and end.isdigit() else ""
        told = words or f"{first(names.LAT + 'firstWords')} … {first(names.LAT + 'lastWords')}"
        return f"“{told}”" + (f" ({where})" if where else "")


def to_node(term: Term) -> ox.NamedNode | ox.Literal:
    """Return a term as the store has it."""
    if term.kind == "iri":
        return ox.NamedNode(term.value)
    if term.language:
        return ox.Literal(term.value, language=term.language)
    return ox.Literal(term.value, datatype=ox.NamedNode(term.datatype or names.XSD + "string"))


def to_quad(one: Statement) -> ox.Quad:
    """Return a statement as the store has it."""
    graph = ox.NamedNode(one.graph.value) if one.graph else ox.DefaultGraph()
    subject, predicate = ox.NamedNode(one.subject.value), ox.NamedNode(one.predicate.value)
    return ox.Quad(subject, predicate, to_node(one.object), graph)
