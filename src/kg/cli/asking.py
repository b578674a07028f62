"""A template's parameters from what somebody types: names to IRIs, over one version."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import cast

import pyoxigraph as ox

from kg.dataset import Snapshot
from kg.errors import NotFoundError
from kg.names import CONCEPT, RDF, RDFS, SKOS
from kg.search import Index
from kg.templates import Parameter, Template, resolver

_TYPE = ox.NamedNode(RDF + "type")
_LABELS = {RDFS + "label": False, SKOS + "prefLabel": False, SKOS + "altLabel": True}


def choose(known: Mapping[str, Template], key: str) -> Template:
    """
    Find a template by its key, or by its name where only one topic has it.

    Raises:
        NotFoundError: There is none; holds those that are near.
    """
    found = [one for name, one in known.items() if key in (name, name.rpartition("/")[2])]
    if len(found) == 1:
        return found[0]
    near = difflib.get_close_matches(key, list(known), n=3, cutoff=0.4)
    raise NotFoundError(
        f"no question {key!r}: expected topic/name; kg ask lists them all.", name=key, near=near
    )


def bind(template: Template, values: Mapping[str, str], snapshot: Snapshot) -> str:
    """
    Write a template's query with values in it; names are looked up in a version.

    Raises:
        ParameterError: Some values are wrong.
    """
    store = ox.Store()
    if any(one.type == "iri" for one in template.parameters.values()) and values:
        store.bulk_load(path=str(snapshot.quads_path), format=ox.RdfFormat.N_QUADS)
    index = Index.from_rows(
        (one.subject.value, one.object.value, "", is_alias)
        for predicate, is_alias in _LABELS.items()
        for one in store.quads_for_pattern(None, ox.NamedNode(predicate), None, ox.DefaultGraph())
        if isinstance(one.subject, ox.NamedNode) and isinstance(one.object, ox.Literal)
    )

    def find(text: str, among: Collection[str] | None) -> list[tuple[str, str, float]]:
        return [(one.iri, one.label, one.score) for one in index.find(text, among=among)]

    def members(parameter: Parameter) -> frozenset[str] | None:
        return _members(store, parameter)

    return template.bind(values, resolve=resolver(snapshot.prefixes, members=members, find=find))


def _members(store: ox.Store, parameter: Parameter) -> frozenset[str] | None:
    kind = ox.NamedNode(parameter.class_iri) if parameter.class_iri else None
    if kind is None and not parameter.scheme:
        return None
    typed = store.quads_for_pattern(None, _TYPE, kind, ox.DefaultGraph())
    found = frozenset(cast(ox.NamedNode, one.subject).value for one in typed)
    if parameter.scheme:
        return frozenset(iri for iri in found if iri.startswith(f"{CONCEPT}{parameter.scheme}/"))
    return found
