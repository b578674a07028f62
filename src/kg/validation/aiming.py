"""Shapes aimed at some nodes: what targets one of these says so by its name, the rest is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import rdflib
from rdflib import RDF, RDFS, SH
from rdflib.collection import Collection
from rdflib.term import Node

TARGETS = (SH.targetClass, SH.targetNode, SH.targetSubjectsOf, SH.targetObjectsOf)
NESTING = (SH.node, SH["not"], SH.qualifiedValueShape)
LISTING = (SH["and"], SH["or"], SH.xone)
_DEMANDING = (SH.minCount, SH.hasValue, SH.equals)
_LOOKING_FURTHER = (*NESTING, SH.property)


class Aim:
    """
    Shapes, to be aimed.

    Args:
        shapes: They stay as they are.

    `targeting` lists each target of a shape that is not deactivated: the shape, the kind, its value.
    """

    def __init__(self, shapes: rdflib.Graph) -> None:
        self.shapes = shapes
        self.targeting = [
            one
            for one in self._read_targets()
            if shapes.value(one[0], SH.deactivated) != rdflib.Literal(True)
        ]
        self._targets: dict[Node, dict[Node, list[Node]]] = defaultdict(dict)
        for shape, kind, value in self.targeting:
            self._targets[kind].setdefault(value, []).append(shape)
        self._nested = {one for term in NESTING for one in shapes.objects(None, term)}
        self._nested |= {
            one for term in LISTING for head in shapes.objects(None, term) for one in shapes.items(head)
        }
        self._blocks: dict[Node, list[tuple[Node, Node, Node]]] = {}

    def _read_targets(self) -> Iterator[tuple[Node, Node, Node]]:
        for kind in TARGETS:
            yield from ((shape, kind, value) for shape, value in self.shapes.subject_objects(kind))
        for one in set(self.shapes.subjects(RDF.type, RDFS.Class)):  # an implicit class target
            if {SH.NodeShape, SH.PropertyShape} & set(self.shapes.objects(one, RDF.type)):
                yield one, SH.targetClass, one

    def at(self, data: rdflib.Graph, focus: frozenset[str]) -> rdflib.Graph:
        """
        Return the shapes that have targets among some nodes, aimed at these by name.

        Args:
            data: What they are held to.
            focus: The nodes.

        The flat property shapes of a node shape are aimed by themselves, as `shacl.compile_shapes` does, and
        left out where they demand nothing of a value that is not there.
        """
        aimed = rdflib.Graph()
        for shape, nodes in self._hits(data, focus).items():
            is_flat = shape not in self._nested and (shape, SH.path, None) not in self.shapes
            parts = list(self.shapes.objects(shape, SH.property)) if is_flat else []
            self._copy(shape, aimed, is_flat=is_flat)
            known: list[Node] = []
            for part in parts:
                path = self.shapes.value(part, SH.path)
                known += [path] if isinstance(path, rdflib.URIRef) else []
                asked = nodes if self._demands(part, path) else [n for n in nodes if (n, path, None) in data]
                if asked:
                    self._copy(part, aimed)
                    _target(aimed, part, asked)
            if is_flat and (shape, SH.closed, None) in self.shapes:
                head = self.shapes.value(shape, SH.ignoredProperties)
                known += self.shapes.items(head) if head else []
                closing = rdflib.BNode()
                Collection(aimed, closing, known)
                aimed.set((shape, SH.ignoredProperties, closing))
            _target(aimed, shape, nodes)
        return aimed

    def _demands(self, shape: Node, path: Node | None) -> bool:
        """Tell whether a property shape speaks of nodes that have no value of its path."""
        is_flat = isinstance(path, rdflib.URIRef) and not any(
            (shape, term, None) in self.shapes for term in _LOOKING_FURTHER
        )
        return not is_flat or any((shape, term, None) in self.shapes for term in _DEMANDING)

    def _hits(self, data: rdflib.Graph, focus: frozenset[str]) -> dict[Node, list[Node]]:
        """Map each shape to the focus nodes that are its targets."""
        hits: dict[Node, dict[Node, None]] = defaultdict(dict)
        above: dict[Node, list[Node | None]] = {}
        for node in {one for one in data.all_nodes() if str(one) in focus}:
            kinds = set(data.objects(node, RDF.type))
            above |= {
                one: list(data.transitive_objects(one, RDFS.subClassOf)) for one in kinds - above.keys()
            }
            keys = [(SH.targetClass, up) for one in kinds for up in above[one]]
            keys += [(SH.targetSubjectsOf, one) for one in data.predicates(node)]
            keys += [(SH.targetObjectsOf, one) for one in data.predicates(None, node)]
            for kind, value in keys:
                for shape in self._targets[kind].get(value, ()):  # type: ignore[arg-type]
                    hits[shape][node] = None
        for value, shapes in self._targets[SH.targetNode].items():
            for shape in shapes if str(value) in focus else ():
                hits[shape][value] = None
        return {shape: list(nodes) for shape, nodes in hits.items()}

    def _copy(self, shape: Node, into: rdflib.Graph, *, is_flat: bool = False) -> None:
        for triple in self._block(shape):
            if not (is_flat and triple[0] == shape and triple[1] in (SH.property, SH.ignoredProperties)):
                into.add(triple)

    def _block(self, shape: Node) -> list[tuple[Node, Node, Node]]:
        """Return the triples of a shape and of all that it refers to, without their targets."""
        if shape not in self._blocks:
            is_flat = shape not in self._nested and (shape, SH.path, None) not in self.shapes
            block, seen, left = [], {shape}, [shape]
            while left:
                for triple in self.shapes.triples((left.pop(), None, None)):
                    if triple[1] in TARGETS or triple[1:] == (RDF.type, RDFS.Class):
                        continue
                    block.append(triple)
                    is_part = is_flat and triple[0] == shape and triple[1] == SH.property
                    if triple[2] not in seen and not isinstance(triple[2], rdflib.Literal) and not is_part:
                        seen.add(triple[2])
                        left.append(triple[2])
            self._blocks[shape] = block
        return self._blocks[shape]


def _target(aimed: rdflib.Graph, shape: Node, nodes: Iterable[Node]) -> None:
    for node in nodes:
        aimed.add((shape, SH.targetNode, node))
