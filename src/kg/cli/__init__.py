"""
The verbs of `kg`: each reads its arguments, calls one module, prints, and exits 0, 1, 2 or 3.

0: fine. 1: the data or the answer is not fine. 2: wrong usage. 3: a part is missing. 70: a fault of `kg`.
Results go to standard output, progress and errors to standard error. Modules are imported inside the verbs,
so that `kg --help` is quick.
"""

from kg.cli import contributing, documents, graph, tables, validating
from kg.cli.call import main

__all__ = ["contributing", "documents", "graph", "main", "tables", "validating"]
