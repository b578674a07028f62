"""
Validation: data graph + shapes graph → problems; a contribution + what is published → its verdict.

Over all files (`check`) two things are run: the shapes (`shapes/*.ttl`, by pyshacl: `shacl`) and the checks
(`queries/checks/*.rq`, which return no rows: `checks`). `telling` makes problems of what they find.

Over a contribution (`judge`, in `judging`), each step leaving out what only follows from an earlier one:

    arrangement  statements to graphs; what is not for a contributor to say
    vocabulary   terms and things that do not exist
    conformity   shapes and checks over what it touches
    consistency  what the ontology excludes
    receipts     passages proved, words not repeated
    likeness     said already, or otherwise
    oddity       dates and numbers that look like slips
    proposals    edits that may mend a problem
    fixes        edits applied and proved

They share `candidate` (the arranged contribution), `published` (what it is held against), `lexicon` (the
terms), `spelling` (what was meant) and `codes` (the kinds of problems).
Nothing here knows who wrote the triples.
"""

from __future__ import annotations

import pyoxigraph as ox

from kg import names
from kg.config import Settings
from kg.dataset import Dataset
from kg.errors import Problem
from kg.validation.checks import check_queries, run_checks
from kg.validation.judging import Verdict, judge
from kg.validation.published import Published
from kg.validation.shacl import Result, project, to_rdflib, validate
from kg.validation.telling import Teller

__all__ = [
    "Published",
    "Result",
    "Verdict",
    "check",
    "judge",
    "project",
    "run_checks",
    "to_rdflib",
    "validate",
]


def check(dataset: Dataset, settings: Settings) -> list[Problem]:
    """
    Return every problem that the shapes and the checks find, in file order.

    Args:
        dataset: What was loaded; its shapes graph holds the shapes.
        settings: Their root folder holds the checks.

    Raises:
        DataError: A check is not one.
    """
    shapes = to_rdflib(dataset.store.quads_for_pattern(None, None, None, ox.NamedNode(names.SHAPES_GRAPH)))
    data = project(dataset.store)
    ontology = to_rdflib(
        dataset.store.quads_for_pattern(None, None, None, ox.NamedNode(names.ONTOLOGY_GRAPH))
    )
    teller = Teller(
        data,
        shapes,
        ontology,
        prefixes=dataset.prefixes,
        locate=lambda iri, predicate: dataset.locate(iri, predicate=predicate),
    )
    problems = {teller.tell(one) for one in validate(data, shapes)}
    problems.update(check_queries(teller, dataset.store, settings.path("queries", "checks")))
    return sorted(problems, key=lambda one: (str(one.path or ""), one.line or 0, one.message))
