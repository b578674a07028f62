"""
Tests of `kg.descriptions`: the numbers are those of the data, and the published queries of clients find them.

The queries are those that the SIB's SPARQL editor sends, from its documentation.
"""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
import pytest

from kg import names
from kg.config import Settings
from kg.descriptions import Example, describe
from kg.names import DATASET, EXAMPLES_GRAPH, VOID_GRAPH, Prefixes, load_prefixes
from kg.publication import publish
from kg.templates import load_templates

ROOT = Path(__file__).parents[1]
PREFIX = """
PREFIX dcat: <http://www.w3.org/ns/dcat#>
PREFIX dcterms: <http://purl.org/dc/terms/>
PREFIX lat: <https://w3id.org/lateral/ontology#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX schema: <https://schema.org/>
PREFIX sd: <http://www.w3.org/ns/sparql-service-description#>
PREFIX sh: <http://www.w3.org/ns/shacl#>
PREFIX void: <http://rdfs.org/ns/void#>
PREFIX void-ext: <http://ldf.fi/void-ext#>
"""
SIB_PREFIXES = "SELECT DISTINCT ?prefix ?namespace WHERE { [] sh:namespace ?namespace ; sh:prefix ?prefix }"
SIB_EXAMPLES = """SELECT DISTINCT ?sq ?comment ?query WHERE {
  ?sq a sh:SPARQLExecutable ; rdfs:comment ?comment ;
    sh:select|sh:ask|sh:construct|<https://purl.expasy.org/sparql-examples/ontology#describe> ?query .
} ORDER BY ?sq"""
SIB_SCHEMA = """SELECT DISTINCT ?subjectClass ?prop ?objectClass ?objectDatatype WHERE {
  { ?cp void:class ?subjectClass ; void:entities ?subjectsCount ; void:propertyPartition ?pp .
    ?pp void:property ?prop .
    OPTIONAL {
      { ?pp void:classPartition [ void:class ?objectClass ; void:triples ?objectsCount ] }
      UNION { ?pp void-ext:datatypePartition [ void-ext:datatype ?objectDatatype ] }
    }
  } UNION {
    ?linkset void:subjectsTarget [ void:class ?subjectClass ] ;
      void:linkPredicate ?prop ; void:objectsTarget [ void:class ?objectClass ] .
  }
}"""
SIB_OVERVIEW = """SELECT DISTINCT ?subjectClass ?prop ?triples ?subjectClassLabel WHERE {
  ?s sd:graph ?graph . ?graph void:classPartition ?cp .
  ?cp void:class ?subjectClass ; void:propertyPartition ?pp .
  OPTIONAL { ?subjectClass rdfs:label ?subjectClassLabel }
  ?pp void:property ?prop ; void:triples ?triples .
}"""
COUNTED = f"""GRAPH ?graph {{ ?s ?p ?o }}
  FILTER(?graph NOT IN (<{names.SHAPES_GRAPH}>, <{VOID_GRAPH}>, <{EXAMPLES_GRAPH}>))"""


def rows(store: ox.Store, query: str) -> list[tuple[str | None, ...]]:
    """Run a SELECT on the default graph; return the values of each row."""
    found = store.query(PREFIX + query)
    assert isinstance(found, ox.QuerySolutions)
    columns = found.variables
    return [tuple(getattr(one[name], "value", None) for name in columns) for one in found]


def number(store: ox.Store, query: str) -> int:
    """Return the one number that a query gives."""
    [(found,)] = rows(store, query)
    assert found is not None
    return int(found)


@pytest.fixture(scope="session", params=["small", "real"])
def described(request: pytest.FixtureRequest) -> ox.Store:
    """Return the small project and the real one, each as published."""
    if request.param == "real":
        return request.getfixturevalue("published")  # type: ignore[no-any-return]
    settings: Settings = request.getfixturevalue("served")
    store = ox.Store()
    path = publish(settings).quads_path
    store.bulk_load(path=str(path), format=ox.RdfFormat.N_QUADS)
    return store


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("triples", "(COUNT(*) AS ?n) { SELECT DISTINCT ?s ?p ?o WHERE { %s } }"),
        ("properties", "(COUNT(DISTINCT ?p) AS ?n) { %s }"),
        ("classes", "(COUNT(DISTINCT ?o) AS ?n) { %s FILTER(?p = rdf:type && isIRI(?o)) }"),
        ("distinctSubjects", "(COUNT(DISTINCT ?s) AS ?n) { %s }"),
        ("distinctObjects", "(COUNT(DISTINCT ?o) AS ?n) { %s }"),
    ],
)
def test_totals_are_those_of_the_data(described: ox.Store, name: str, count: str) -> None:
    """What a client counts for itself is what the description says."""
    rdf = f"PREFIX rdf: <{names.RDF}> "
    said = number(described, f"SELECT ?n {{ <{DATASET}> void:{name} ?n }}")
    assert said == number(described, rdf + "SELECT " + count % COUNTED) > 0


def test_classes_are_counted_with_what_is_inferred(described: ox.Store) -> None:
    """Every class partition has as many entities as the class has instances."""
    said = rows(
        described, f"SELECT ?c ?n {{ <{DATASET}> void:classPartition [ void:class ?c ; void:entities ?n ] }}"
    )
    counted = rows(
        described,
        f"PREFIX rdf: <{names.RDF}> "
        f"SELECT ?o (COUNT(DISTINCT ?s) AS ?n) {{ {COUNTED} FILTER(?p = rdf:type) }} GROUP BY ?o",
    )
    assert sorted(said) == sorted(counted)


def test_properties_are_counted(described: ox.Store) -> None:
    """Every property partition has as many triples as the property."""
    said = rows(
        described,
        f"SELECT ?p ?n {{ <{DATASET}> void:propertyPartition [ void:property ?p ; void:triples ?n ] }}",
    )
    counted = rows(
        described,
        f"SELECT ?p (COUNT(*) AS ?n) {{ {{ SELECT DISTINCT ?s ?p ?o {{ {COUNTED} }} }} }} GROUP BY ?p",
    )
    assert sorted(said) == sorted(counted)


def test_editor_finds_every_prefix(published: ox.Store) -> None:
    """The prefix map is read as SIB's clients read it."""
    prefixes = load_prefixes(ROOT / "ontology" / "prefixes.ttl")
    assert dict(rows(published, SIB_PREFIXES)) == dict(prefixes)  # type: ignore[arg-type]


def test_editor_finds_every_question_and_each_runs(published: ox.Store) -> None:
    """One example per question; each parses and answers as it stands."""
    templates = load_templates(ROOT, load_prefixes(ROOT / "ontology" / "prefixes.ttl"))
    found = rows(published, SIB_EXAMPLES)
    assert {one[0] for one in found} == {names.EXAMPLES + key for key in templates}
    for _, comment, query in found:
        assert comment and query and "#+" not in query
        assert isinstance(published.query(query), ox.QuerySolutions)


def test_examples_obey_the_shape_of_the_collection(published: ox.Store) -> None:
    """An English comment, a target, declared prefixes, keywords without spaces at the ends."""
    whole = rows(
        published,
        """SELECT ?sq { ?sq a sh:SPARQLSelectExecutable ; rdfs:comment ?comment ; sh:select ?query ;
        schema:target ?target ; sh:prefixes [ sh:declare ?declared ] FILTER(LANG(?comment) = "en") }
        GROUP BY ?sq""",
    )
    assert len(whole) == len(rows(published, SIB_EXAMPLES))
    words = [one for (one,) in rows(published, "SELECT ?word { ?sq schema:keywords ?word }")]
    assert words and all(one and one == one.strip() for one in words)


def test_editor_finds_the_schema(published: ox.Store) -> None:
    """Autocompletion learns which property leads from which class to which."""
    found = rows(published, SIB_SCHEMA)
    lat = names.LAT
    assert (lat + "Claim", lat + "evidence", lat + "Passage", None) in found
    assert any(one[3] == names.XSD + "date" for one in found)
    assert {one[0] for one in found} > {lat + "Claim", lat + "Passage", lat + "State"}


def test_overview_finds_classes_with_labels_and_triples(published: ox.Store) -> None:
    """The picture of the classes has its labels."""
    found = rows(published, SIB_OVERVIEW)
    labels = {one[0]: one[3] for one in found if one[0] and one[0].startswith(names.LAT)}
    assert labels
    assert all(labels.values())


def test_partition_numbers_are_those_of_the_data(published: ox.Store) -> None:
    """How many triples lead from claims to passages by evidence, told and counted."""
    told = number(
        published,
        """SELECT ?n { [] void:class lat:Claim ; void:propertyPartition ?pp .
        ?pp void:property lat:evidence ; void:classPartition ?end .
        ?end void:class lat:Passage ; void:triples ?n }""",
    )
    assert told == number(published, "SELECT (COUNT(*) AS ?n) { ?claim lat:evidence ?passage }")


def test_graphs_of_the_service_are_counted_with_the_descriptions(described: ox.Store) -> None:
    """Every sd:Graph has as many triples as it holds, those that count included; each named graph has one."""
    told = rows(
        described,
        "SELECT ?name ?n { ?whole sd:namedGraph [ sd:name ?name ; sd:graph [ void:triples ?n ] ] }",
    )
    counted = rows(
        described,
        f"""SELECT ?g (COUNT(*) AS ?n) {{ GRAPH ?g {{ ?s ?p ?o }}
        FILTER(!STRSTARTS(STR(?g), "{names.CLAIM}")) }} GROUP BY ?g""",
    )
    assert sorted(told) == sorted(counted)
    default = number(described, "SELECT ?n { ?whole sd:defaultGraph [ void:triples ?n ] }")
    assert default == number(described, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")


def test_classes_of_each_named_graph_are_counted(described: ox.Store) -> None:
    """A partition of a named graph has as many entities as that graph alone says."""
    told = rows(
        described,
        """SELECT ?g ?c ?n { ?whole sd:namedGraph [ sd:name ?g ; sd:graph ?told ] .
        ?told void:classPartition [ void:class ?c ; void:entities ?n ] }""",
    )
    counted = rows(
        described,
        f"""SELECT ?g ?c (COUNT(DISTINCT ?s) AS ?n) {{ GRAPH ?g {{ ?s a ?c }} FILTER(isIRI(?c) &&
        !STRSTARTS(STR(?g), "{names.CLAIM}") && ?g NOT IN (<{VOID_GRAPH}>, <{EXAMPLES_GRAPH}>)) }}
        GROUP BY ?g ?c""",
    )
    assert sorted(told) == sorted(counted) != []


def test_no_feature_is_claimed(described: ox.Store) -> None:
    """The default graph is no union of all graphs, nothing is fetched, and entailment is simple."""
    assert rows(described, "SELECT ?feature { ?service sd:feature|sd:languageExtension ?feature }") == []
    assert rows(described, "SELECT ?regime { ?service sd:defaultEntailmentRegime ?regime }") == [
        ("http://www.w3.org/ns/entailment/Simple",)
    ]


def test_publisher_is_named_where_the_catalogue_is_read(published: ox.Store) -> None:
    """The description alone says who publishes the whole and every part, by a name."""
    parts = number(published, f"SELECT (COUNT(?part) AS ?n) {{ <{names.CATALOG}> dcat:dataset ?part }}")
    told = rows(
        published,
        f"""PREFIX foaf: <http://xmlns.com/foaf/0.1/>
        SELECT DISTINCT ?part {{ GRAPH <{VOID_GRAPH}> {{ ?part dcterms:publisher ?agent ;
        dcterms:title ?title . ?agent a foaf:Agent ; foaf:name ?name }} }}""",
    )
    assert len(told) == parts + 1


def test_version_is_the_one_that_is_served(served: Settings) -> None:
    """The dataset and each of its parts name the version of the snapshot."""
    snapshot = publish(served)
    store = ox.Store()
    store.bulk_load(path=str(snapshot.quads_path), format=ox.RdfFormat.N_QUADS)
    assert set(rows(store, "SELECT ?v { ?part dcat:version ?v }")) == {(snapshot.version,)}


def test_catalogue_names_version_licence_and_service(published: ox.Store) -> None:
    """Every part has a title, a licence and a version."""
    parts = rows(published, f"SELECT ?part {{ <{names.CATALOG}> dcat:dataset ?part }}")
    told = rows(
        published,
        f"SELECT DISTINCT ?part {{ <{names.CATALOG}> dcat:dataset ?part ; dcat:service ?service . "
        "?service dcat:servesDataset ?whole ; dcat:endpointURL ?address . "
        "?part dcterms:title ?title ; dcterms:license ?licence ; dcat:version ?version }",
    )
    assert sorted(told) == sorted(parts)
    assert len(parts) > 5


def test_describing_again_changes_nothing() -> None:
    """What describes is not described: the numbers are the same the second time."""
    store = ox.Store()
    one, two = ox.NamedNode(names.ID + "one"), ox.NamedNode(names.LAT + "knows")
    store.add(ox.Quad(one, two, ox.Literal('a "b"\n'), ox.NamedNode(names.CLAIM + "demo/0001")))
    prefixes = Prefixes({"lat": names.LAT})
    example = Example(key="a/b", comment="A.", keywords=(" x ", ""), query='SELECT ?a { ?a ?b "c\\n" }')
    results = []
    for _ in range(2):
        describe(store, version="v", prefixes=prefixes, examples=[example])
        results.append({str(quad) for quad in store})
    assert results[0] == results[1]
    assert not any(isinstance(quad.subject, ox.BlankNode) for quad in store)
    assert [one for (one,) in rows_of_graph(store, "SELECT ?w { ?x schema:keywords ?w }")] == ["x"]


def rows_of_graph(store: ox.Store, query: str) -> list[tuple[str | None, ...]]:
    """Run a SELECT on the union of the named graphs."""
    found = store.query(PREFIX + query, use_default_graph_as_union=True)
    assert isinstance(found, ox.QuerySolutions)
    return [tuple(getattr(one[name], "value", None) for name in found.variables) for one in found]
