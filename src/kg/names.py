"""
Names: the base IRI, the graphs, and the one prefix map (`ontology/prefixes.ttl`).

IRIs are strings here; each caller wraps them in the term class of its library.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kg.errors import NotFoundError

BASE = "https://w3id.org/lateral/"
LAT = BASE + "ontology#"
SHAPES = BASE + "shapes#"
ID = BASE + "id/"
CONCEPT = BASE + "concept/"
CLAIM = BASE + "claim/"
PASSAGE = BASE + "passage/"
DOCUMENT = BASE + "document/"
CONTRIBUTION = BASE + "contribution/"
GRAPH = BASE + "graph/"

CLAIMS_GRAPH = GRAPH + "claims"
PASSAGES_GRAPH = GRAPH + "passages"
ENTITIES_GRAPH = GRAPH + "entities"
ONTOLOGY_GRAPH = GRAPH + "ontology"
CONCEPTS_GRAPH = GRAPH + "concepts"
SHAPES_GRAPH = GRAPH + "shapes"
INFERRED_GRAPH = GRAPH + "inferred"
CONTRIBUTIONS_GRAPH = GRAPH + "contributions"
CATALOG_GRAPH = GRAPH + "catalog"
VOID_GRAPH = GRAPH + "void"
EXAMPLES_GRAPH = GRAPH + "examples"

# What the descriptions speak of: the whole, its catalogue, the service, and where these are told.
DATASET = BASE + "dataset"
CATALOG = BASE + "catalog"
SERVICE = BASE + "sparql"
VOID = BASE + ".well-known/void#"
EXAMPLES = BASE + ".well-known/sparql-examples/"

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
XSD = "http://www.w3.org/2001/XMLSchema#"
SH = "http://www.w3.org/ns/shacl#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
DCTERMS = "http://purl.org/dc/terms/"
OA = "http://www.w3.org/ns/oa#"
PROV = "http://www.w3.org/ns/prov#"

_DECLARATION = re.compile(r'sh:prefix\s+"([^"]*)"\s*;\s*sh:namespace\s+"([^"]+)"')
_LOCAL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_\-]*[A-Za-z0-9_\-])?\Z")


@dataclass(frozen=True)
class Prefixes(Mapping[str, str]):
    """
    The prefix map: prefix to namespace IRI.

    >>> prefixes = Prefixes({"lat": LAT, "id": ID})
    >>> prefixes.expand("id:malta")
    'https://w3id.org/lateral/id/malta'
    >>> prefixes.compress(LAT + "State")
    'lat:State'
    """

    namespaces: Mapping[str, str]

    def __getitem__(self, prefix: str) -> str:
        return self.namespaces[prefix]

    def __iter__(self) -> Iterator[str]:
        return iter(self.namespaces)

    def __len__(self) -> int:
        return len(self.namespaces)

    def expand(self, name: str) -> str:
        """
        Turn a prefixed name into an IRI.

        Raises:
            NotFoundError: The prefix is not declared.
        """
        prefix, _, local = name.partition(":")
        if prefix not in self.namespaces:
            known = ", ".join(sorted(self.namespaces))
            raise NotFoundError(f"prefix {prefix!r} of {name!r} is not declared. Known: {known}.", name=name)
        return self.namespaces[prefix] + local

    def compress(self, iri: str) -> str:
        """Turn an IRI into a prefixed name, by the longest namespace; return it unchanged where none fits."""
        fitting = [
            (len(namespace), prefix)
            for prefix, namespace in self.namespaces.items()
            if iri.startswith(namespace) and _LOCAL.match(iri[len(namespace) :])
        ]
        if not fitting:
            return iri
        length, prefix = max(fitting)
        return f"{prefix}:{iri[length:]}"

    def header(self) -> str:
        """Return the SPARQL PREFIX lines of the whole map, sorted."""
        return "".join(
            f"PREFIX {prefix}: <{self.namespaces[prefix]}>\n" for prefix in sorted(self.namespaces)
        )


def load_prefixes(path: Path) -> Prefixes:
    """
    Read the prefix map from the `sh:declare` entries of a Turtle file.

    Raises:
        NotFoundError: The file holds no declaration.
    """
    found = dict(_DECLARATION.findall(path.read_text(encoding="utf-8")))
    if not found:
        raise NotFoundError(f'{path} declares no prefix: expected sh:prefix "…" ; sh:namespace "…".')
    return Prefixes(found)


def slugify(text: str) -> str:
    """
    Make the slug of a name: lower-case ASCII words with hyphens.

    >>> slugify("Côte d’Ivoire & the G20")
    'cote-d-ivoire-the-g20'
    """
    plain = unicodedata.normalize("NFKD", text.replace("’", " ")).encode("ascii", "ignore").decode("ascii")
    return "-".join(re.findall(r"[a-z0-9]+", plain.lower()))
