"""
Run SPARQL in worker processes that can be bounded and killed.

    lexer       what in a query is code
    limits      form, depth, sizes, federation: refused before a worker sees it
    groups      the groups of a query and its SERVICE clauses
    clauses     what narrows a SERVICE clause; the query with rows in its place
    remote      one call of another endpoint
    federation  SERVICE clauses asked from here, their rows put into the query
    diagnosis   what the parser's message means
    formats     what an answer can be written in
    worker      a child process: its bounds, its one thread
    rewriting   queries over the values of a property, answered from a table of them, there
    serialisation  a query run, its answer written, there
    zygote      the process that loads a version once and forks the workers
    loader      the parent's end of that process
    process     the parent's end of one worker
    run         one query, from its place in a lane to its end
    outcome     what a worker reports, as an error
    pool        the workers of one version
    lanes       the lanes that queries wait in
    dispatch    from a lane to a worker; what takes too long
    question    what is asked, examined
    cache       answers already given
    spool       large answers on disk, on their way
    large       a large answer, read while it is written
    updating    updates on a copy that is forgotten
    service     the engine over all of these
"""

from kg.engine.cache import Answer
from kg.engine.formats import FORMATS, Format, choose_format, formats_for
from kg.engine.large import LargeAnswer
from kg.engine.limits import query_form
from kg.engine.loader import Snapshot
from kg.engine.question import QueryRequest
from kg.engine.service import Engine, run_query
from kg.engine.updating import Scratch, UpdateRequest

__all__ = [
    "FORMATS",
    "Answer",
    "Engine",
    "Format",
    "LargeAnswer",
    "QueryRequest",
    "Scratch",
    "Snapshot",
    "UpdateRequest",
    "choose_format",
    "formats_for",
    "query_form",
    "run_query",
]
