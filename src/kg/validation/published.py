"""What is published, as a contribution is held against it: names, classes, who said what already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyoxigraph as ox
import rdflib

from kg import names
from kg.config import Settings
from kg.dataset import Snapshot
from kg.evidence import SourceRuns, find_kept
from kg.names import Prefixes
from kg.search import Index, Match, fold
from kg.validation.affected import Dependencies
from kg.validation.culprits import Checks
from kg.validation.lexicon import Lexicon
from kg.validation.matching import Texts
from kg.validation.overlay import Overlay
from kg.validation.shacl import NOT_DATA, to_rdflib

TYPE = ox.NamedNode(names.RDF + "type")
LABEL = ox.NamedNode(names.RDFS + "label")
_ALIAS = ox.NamedNode(names.SKOS + "altLabel")
_ENTITIES = ox.NamedNode(names.ENTITIES_GRAPH)
_CONCEPTS = ox.NamedNode(names.CONCEPTS_GRAPH)
_ONTOLOGY = ox.NamedNode(names.ONTOLOGY_GRAPH)
_NOTHING = ox.NamedNode("urn:lateral:no-iri")
_MAX_COMPARED = 500
_SHAPES = ox.NamedNode(names.SHAPES_GRAPH)


@dataclass(frozen=True)
class Published:
    """
    What a contribution is held against; made once for a version, then only read.

    Args:
        store: The named graphs; its default graph, if any, is their merge.
        prefixes: The prefix map of the version.
        root: The project's root folder, for the checks; None where only a store is given.
        documents_path: Where the reference texts of documents may be.
    """

    store: ox.Store
    prefixes: Prefixes
    root: Path | None = None
    documents_path: Path | None = None

    @classmethod
    def load(cls, snapshot: Snapshot, settings: Settings) -> Published:
        """Load a published version into memory."""
        store = ox.Store()
        store.bulk_load(path=str(snapshot.quads_path), format=ox.RdfFormat.N_QUADS)
        return cls(store, snapshot.prefixes, settings.root, settings.documents_path)

    @cached_property
    def shapes(self) -> rdflib.Graph:
        """The shapes."""
        return to_rdflib(self.store.quads_for_pattern(None, None, None, _SHAPES))

    @cached_property
    def ontology(self) -> rdflib.Graph:
        """The ontology, with its alignments."""
        return to_rdflib(self.store.quads_for_pattern(None, None, None, _ONTOLOGY))

    @cached_property
    def dependencies(self) -> Dependencies:
        """What the verdicts of the shapes depend on."""
        return Dependencies(self.shapes)

    @cached_property
    def checks(self) -> Checks | None:
        """The checks, analysed; none where only a store is given."""
        return Checks(self.root / "queries" / "checks") if self.root else None

    @cached_property
    def texts(self) -> Texts:
        """An index of texts, for checks that compare them."""
        return Texts(Overlay.of(self.store, ()).before)

    @cached_property
    def lexicon(self) -> Lexicon:
        """The terms of the ontology, and what the shapes let data say with them."""
        return Lexicon(self.ontology, self.shapes)

    @cached_property
    def known(self) -> dict[str, str]:
        """Map each entity, document and concept to its class."""
        found = {}
        for graph in (_CONCEPTS, _ENTITIES):
            for quad in self.store.quads_for_pattern(None, TYPE, None, graph):
                assert isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, ox.NamedNode)
                if quad.object.value.startswith(names.LAT) or quad.subject.value not in found:
                    found[quad.subject.value] = quad.object.value
        return found

    @cached_property
    def _labels(self) -> list[tuple[str, str, str, bool]]:
        rows = []
        for predicate in (LABEL, _ALIAS):
            for graph in (_ENTITIES, _CONCEPTS):
                for quad in self.store.quads_for_pattern(None, predicate, None, graph):
                    assert isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, ox.Literal)
                    kind = self.known.get(quad.subject.value, "")
                    rows.append((quad.subject.value, quad.object.value, kind, predicate == _ALIAS))
        return rows

    @cached_property
    def by_kind(self) -> dict[str, set[str]]:
        """Map each class to its entities, documents and concepts."""
        found: dict[str, set[str]] = defaultdict(set)
        for iri, kind in self.known.items():
            found[kind].add(iri)
        return found

    @cached_property
    def by_namespace(self) -> dict[str, dict[str, str]]:
        """Map each namespace to its entities, documents and concepts, each with its local name."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for iri in self.known:
            space, slash, local = iri.rpartition("/")
            found[space + slash][iri] = local
        return found

    @cached_property
    def _index(self) -> Index:
        return Index.from_rows(self._labels)

    @cached_property
    def _by_word(self) -> dict[str, list[tuple[str, str, str, bool]]]:
        found: dict[str, list[tuple[str, str, str, bool]]] = defaultdict(list)
        for row in self._labels:
            for word in set(fold(row[1]).split()):
                found[word].append(row)
        return found

    def find(self, text: str, *, among: Collection[str] | None = None, limit: int = 4) -> list[Match]:
        """
        List what a text may name, best first.

        Only names that share one of its rarer words are compared, if there are any: the others cost time
        that grows with the graph.
        """
        rows: dict[tuple[str, str, str, bool], None] = {}
        for word in sorted(set(fold(text).split()), key=lambda one: len(self._by_word.get(one, ()))):
            if len(rows) + len(self._by_word.get(word, ())) > _MAX_COMPARED:
                break
            rows.update(dict.fromkeys(self._by_word.get(word, ())))
        index = Index.from_rows(rows) if rows else self._index
        return index.find(text, among=among, limit=limit)

    @cached_property
    def by_name(self) -> dict[str, list[tuple[str, bool]]]:
        """Map each folded name to what bears it, with whether that is an alias."""
        found: dict[str, list[tuple[str, bool]]] = defaultdict(list)
        for iri, label, _, is_alias in self._labels:
            found[fold(label)].append((iri, is_alias))
        return found

    @cached_property
    def runs(self) -> dict[int, SourceRuns]:
        """The runs of words of the documents looked at so far."""
        return {}

    def quads_about(self, iri: str) -> Iterator[ox.Quad]:
        """Yield what the data says of a thing, each with its graph."""
        for quad in self.store.quads_for_pattern(_node(iri), None, None, None):
            if isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value not in NOT_DATA:
                yield quad

    def types(self, iri: str) -> set[str]:
        """Return the classes that the data gives a thing."""
        found = self.store.quads_for_pattern(_node(iri), TYPE, None, None)
        return {
            one.object.value
            for one in found
            if isinstance(one.object, ox.NamedNode)
            and isinstance(one.graph_name, ox.NamedNode)
            and one.graph_name.value != names.INFERRED_GRAPH
        }

    def has(self, iri: str) -> bool:
        """Tell whether something of that name has a class."""
        return next(self.store.quads_for_pattern(_node(iri), TYPE, None, None), None) is not None

    def has_subject(self, iri: str) -> bool:
        """Tell whether anything is said of it."""
        return next(self.store.quads_for_pattern(_node(iri), None, None, None), None) is not None

    def find_label(self, iri: str) -> str | None:
        """Return the label of a thing, a concept or a term."""
        quad = next(self.store.quads_for_pattern(_node(iri), LABEL, None, None), None)
        return quad.object.value if quad and isinstance(quad.object, ox.Literal) else None

    def claims_saying(self, triple: ox.Triple) -> list[str]:
        """Return the claims that say a triple already."""
        found = self.store.quads_for_pattern(triple.subject, triple.predicate, triple.object, None)
        return sorted(
            one.graph_name.value
            for one in found
            if isinstance(one.graph_name, ox.NamedNode) and one.graph_name.value.startswith(names.CLAIM)
        )

    def values(self, subject: str, predicate: str) -> Iterator[tuple[ox.NamedNode | ox.Literal, str]]:
        """Yield what the claims give as the values of a property, each with its claim."""
        node, property_ = _node(subject), _node(predicate)
        for quad in self.store.quads_for_pattern(node, property_, None, None):
            graph = quad.graph_name
            is_claimed = isinstance(graph, ox.NamedNode) and graph.value.startswith(names.CLAIM)
            if is_claimed and isinstance(quad.object, ox.NamedNode | ox.Literal):
                yield quad.object, str(graph)[1:-1]

    def name(self, iri: str) -> str:
        """Return the prefixed name of an IRI, with its label behind it."""
        label = self.find_label(iri)
        short = self.prefixes.compress(iri)
        return f"{short} (“{label}”)" if label else short

    def reference_text(self, document: str) -> str | None:
        """Return the reference text of a document, if it is at hand: ours, or the copy that brought it."""
        if self.documents_path is None:
            return None
        for file in self._texts_of(document, "referenceFile"):
            path: Path | None = self.documents_path / Path(file).name
            if path and not path.is_file():
                digest = next(self._texts_of(document, "referenceDigest"), "")
                path = find_kept(self.root, file, digest) if self.root else None
            if path:
                return path.read_bytes().decode("utf-8", errors="replace")
        return None

    def _texts_of(self, subject: str, name: str) -> Iterator[str]:
        for quad in self.store.quads_for_pattern(_node(subject), ox.NamedNode(names.LAT + name), None, None):
            if isinstance(quad.object, ox.Literal):
                yield quad.object.value


def of_kinds(published: Published, kinds: Iterable[str]) -> frozenset[str]:
    """Return the entities and concepts of some classes, or of classes below them."""
    wanted = {below for one in kinds for below in published.lexicon.below(one)}
    return frozenset[str]().union(*(published.by_kind.get(one, ()) for one in wanted))


def _node(iri: str) -> ox.NamedNode:
    """Return an IRI as the store has it; of a text that is none, one that nothing has."""
    try:
        return ox.NamedNode(iri)
    except ValueError:
        return _NOTHING
