"""The columns that a shape asks for: what their values look like, and what is told of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import rdflib
from rdflib import OWL, RDF, SH

from kg import names
from kg.tables.wording import plain
from kg.validation import Published

Form = Literal["name", "date", "number", "integer", "text", "string", "address", "choice"]

_XSD = names.XSD
_CONCEPT = names.SKOS + "Concept"
_NAMING = {
    names.RDFS + "label",
    names.SKOS + "altLabel",
    names.DCTERMS + "description",
    names.SKOS + "editorialNote",
}
_DATES = {names.SHAPES + one for one in ("Year", "Month", "Day")}
_DATATYPES: dict[str, Form] = {
    _XSD + "integer": "integer",
    _XSD + "decimal": "number",
    _XSD + "string": "string",
    _XSD + "anyURI": "address",
    names.RDF + "langString": "text",
}
_MOST_CHOICES = 60
_FEW_CHOICES = 12


@dataclass(frozen=True)
class Column:
    """
    One column of a kind.

    Args:
        name: For machines: a prefixed property (`lat:chairedBy`), or a word (`first-words`).
        header: For people.
        form: How its values are written.
        path: The property's IRI; empty where it is none.
        classes: The classes whose things may be named; none for any.
        is_required: Whether each row needs a value.
        help: What is expected, in a sentence or two.
        choices: The labels to choose from, where they are few.
        usage: How often our claims have it in this kind.
    """

    name: str
    header: str
    form: Form
    path: str = ""
    classes: tuple[str, ...] = ()
    is_required: bool = False
    help: str = ""
    choices: tuple[str, ...] = ()
    usage: int = 0

    @property
    def title(self) -> str:
        """The header with its mark."""
        return self.header + (" *" if self.is_required else "")


def labels_of(published: Published, kind: str) -> tuple[str, ...]:
    """Return the labels of the things of a class, in order."""
    below = published.lexicon.below(kind)
    known = (iri for iri, one in published.known.items() if one in below)
    return tuple(sorted(label for iri in known if (label := published.find_label(iri))))


def properties_of(published: Published, node: rdflib.term.Node) -> list[Column]:
    """Return a column for each property that a shape lets a thing have, its naming apart."""
    shapes, lexicon = published.shapes, published.lexicon
    concepts = lexicon.below(_CONCEPT)
    found = {}
    for shape in shapes.objects(node, SH.property):
        path = shapes.value(shape, SH.path)
        if not isinstance(path, rdflib.URIRef) or str(path) in _NAMING or path == RDF.type:
            continue
        classes, form = _expectation(published, shape, str(path))
        label = lexicon.label(str(path)) or str(path).removeprefix(names.LAT)
        choices: tuple[str, ...] = ()
        if classes and all(one in concepts for one in classes):
            choices = tuple(label for one in classes for label in labels_of(published, one))
        minimum = shapes.value(shape, SH.minCount)
        found[str(path)] = Column(
            published.prefixes.compress(str(path)),
            label,
            form,
            str(path),
            classes,
            is_required=minimum is not None and int(str(minimum)) > 0,
            help=_help(str(shapes.value(shape, SH.message) or ""), published, choices),
            choices=choices if len(choices) <= _MOST_CHOICES else (),
        )
    return list(found.values())


def is_description_required(published: Published, node: rdflib.term.Node) -> bool:
    """Tell whether a shape wants a description of each thing."""
    shapes = published.shapes
    return any(
        str(shapes.value(one, SH.path)) == names.DCTERMS + "description"
        and int(str(shapes.value(one, SH.minCount) or 0)) > 0
        for one in shapes.objects(node, SH.property)
    )


def _expectation(published: Published, shape: rdflib.term.Node, path: str) -> tuple[tuple[str, ...], Form]:
    """Return the classes, or the form, that a property shape asks for."""
    shapes = published.shapes
    union = shapes.value(shape, SH["or"])
    options = list(shapes.items(union)) if union is not None else [shape]
    classes = tuple(str(kind) for one in options for kind in shapes.objects(one, SH["class"]))
    if classes:
        return classes, "name"
    if any(str(one) in _DATES for one in options):
        return (), "date"
    types = {str(kind) for one in options for kind in shapes.objects(one, SH.datatype)}
    for datatype in (names.RDF + "langString", _XSD + "decimal", *_DATATYPES):
        if datatype in types:
            return (), _DATATYPES[datatype]
    if any((one, SH.languageIn, None) in shapes for one in options):
        return (), "text"
    is_data = (rdflib.URIRef(path), RDF.type, OWL.DatatypeProperty) in published.ontology
    return (), "string" if is_data else "name"


def _help(message: str, published: Published, choices: tuple[str, ...]) -> str:
    """Return what a shape's message says was expected, in plain words, and what there is to choose from."""
    expected = re.search(r"[Ee]xpected (.*)", message)
    text = f"Expected {expected[1]}" if expected else message
    told = plain(
        text.replace("Usual cause:", "Usual cause of trouble:"), published.prefixes, published.find_label
    )
    listed = ", ".join(f"“{one}”" for one in choices)
    return f"{told} Choose from {listed}." if 0 < len(choices) <= _FEW_CHOICES else told
