"""
A client for Python: questions and SPARQL, to a running service or a folder; answers in Python's values.

    values   RDF terms as Python values
    rows     the rows of an answer; as a pandas table, as HTML
    source   what is asked, and what it tells of its questions
    remote   a running service, over HTTP
    local    a folder on this machine, without a service
    graph    `Graph`, the same over both
"""

from kg.client.graph import Graph
from kg.client.rows import Row, Rows
from kg.client.source import Question, QuestionParameter
from kg.client.values import Blank, Iri, Text, Value

__all__ = ["Blank", "Graph", "Iri", "Question", "QuestionParameter", "Row", "Rows", "Text", "Value"]
