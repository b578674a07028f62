"""
Lateral: a knowledge graph of how states cooperate, with the passage behind every triple.

The map, lowest row first; a module imports from lower rows only:

    1  errors       one tree under KGError, with its HTTP status and exit code
    2  config       frozen settings, read once from KG_*
    2  names        prefixes and IRIs: expand, compress
    2  turtle       Turtle and TriG with lines and lexical forms: read, write one way
    3  dataset      files -> quads -> one version; format; dump
    3  engine       run SPARQL: a pool of workers over the embedded store
    4  descriptions VoID, DCAT and example queries, computed from the data
    4  evidence     canonical words, digests, anchoring, coverage
    4  paging       one page of an answer, in an order that every run keeps
    4  parsing      what somebody sends -> statements with places
    4  reasoning    rules from the ontology; what is inferred
    4  search       labels to entities, forgiving
    4  templates    find a query file, read its header, bind parameters
    5  contents     labels, search and sizes of one version, read by SPARQL
    5  validation   data graph + shapes graph -> problems with places; a contribution -> its verdict
    6  publication  check, infer and publish one version, whole or not at all
    6  reporting    problems -> text, JSON, SARIF, sh:ValidationReport
    6  tables       spreadsheets -> statements with their cells; the forms to fill
    7  client       questions and SPARQL for Python, over HTTP or a folder: kg.Graph
    7  contributions  taken, reviewed, published, corrected, retracted: durable, with history
    7  isolation    validation in processes of their own: bounded, without network, ended when nobody waits
    8  api          the web service; each part translates HTTP into one call
    9  mcp          the Model Context Protocol, for language models, over what api holds
   10  cli          one function per verb of `kg`

Open `cli` for the verbs, then the one module that the verb calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kg.client import Graph as Graph

__all__ = ["Graph", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load the client when it is first asked for: `import kg` alone loads nothing."""
    if name != "Graph":
        raise AttributeError(f"module 'kg' has no attribute {name!r}")
    from kg.client import Graph

    return Graph
