"""
Service description: what `/sparql` says of itself, in the words of the W3C.

Source: SPARQL 1.1 Service Description, https://www.w3.org/TR/sparql11-service-description/
"""

from __future__ import annotations

from rdflib import RDF, Graph, Namespace, URIRef

from kg import names

SD = Namespace("http://www.w3.org/ns/sparql-service-description#")
VOID = Namespace("http://rdfs.org/ns/void#")
# What the graph of descriptions says in the words of the Service Description, and how large each graph is.
DESCRIBED = f"""
PREFIX sd: <{SD}>
PREFIX void: <{VOID}>
CONSTRUCT {{ ?one ?said ?other }}
WHERE {{
  GRAPH <{names.VOID_GRAPH}> {{
    {{
      ?one ?said ?other
      FILTER(STRSTARTS(STR(?said), STR(sd:)) || STRSTARTS(STR(?other), STR(sd:)))
      # only a named graph has an sd:graph; the dataset has one too in graph:void, where some clients look
      FILTER(?said != sd:graph || EXISTS {{ ?one sd:name ?name }})
    }}
    UNION {{
      VALUES ?said {{ void:triples void:classPartition }}
      ?part sd:defaultGraph|sd:graph ?one .
      ?one ?said ?other
    }}
  }}
}}
"""
_W3C_FORMATS = {
    "json": "SPARQL_Results_JSON",
    "xml": "SPARQL_Results_XML",
    "csv": "SPARQL_Results_CSV",
    "tsv": "SPARQL_Results_TSV",
    "ttl": "Turtle",
    "nt": "N-Triples",
    "nq": "N-Quads",
    "trig": "TriG",
    "rdf": "RDF_XML",
    "jsonld": "JSON-LD",
}


def service_description(
    address: str, told: bytes = b"", *, federates: bool = False, updates: bool = False
) -> Graph:
    """
    Describe the service: only what is true.

    Args:
        address: Of the endpoint that was asked.
        told: What the graph says of the service and its graphs, as N-Triples, under its permanent address.
        federates: It asks other endpoints.
        updates: It takes updates.
    """
    graph = Graph()
    graph.bind("sd", SD)
    graph.bind("void", VOID)
    service, permanent, dataset = URIRef(address), URIRef(names.SERVICE), URIRef(names.DATASET)
    for triple in Graph().parse(data=told, format="nt"):
        subject, predicate, value = (service if one == permanent else one for one in triple)
        graph.add((subject, predicate, value))
    graph.add((service, RDF.type, SD.Service))
    graph.add((service, SD.endpoint, service))
    graph.add((service, SD.supportedLanguage, SD.SPARQL11Query))
    if updates:
        graph.add((service, SD.supportedLanguage, SD.SPARQL11Update))
    if federates:
        graph.add((service, SD.feature, SD.BasicFederatedQuery))
    for local in _W3C_FORMATS.values():
        graph.add((service, SD.resultFormat, URIRef(f"http://www.w3.org/ns/formats/{local}")))
    # what is inferred is there as triples; the engine itself entails nothing
    graph.add((service, SD.defaultEntailmentRegime, URIRef("http://www.w3.org/ns/entailment/Simple")))
    graph.add((service, SD.defaultDataset, dataset))
    graph.add((dataset, RDF.type, SD.Dataset))
    default = URIRef(names.VOID + "default")
    graph.add((dataset, SD.defaultGraph, default))
    graph.add((default, RDF.type, SD.Graph))
    return graph


def serialize(graph: Graph, format_name: str) -> bytes:
    """Write a small graph of our own in one of the formats."""
    names_of = {"ttl": "turtle", "nt": "nt", "rdf": "pretty-xml", "jsonld": "json-ld"}
    return graph.serialize(format=names_of[format_name], encoding="utf-8")
