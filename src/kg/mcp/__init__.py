"""
The graph for language models: the Model Context Protocol over what the web service holds.

    arguments what a caller gives, read strictly
    naming    what a caller calls a thing -> its IRI
    support   the claims behind the rows of an answer
    results   rows, claims and passages as values, bounded
    texts     the same as Markdown
    tools     what each tool is called, takes and returns
    answers   questions that are kept, and SPARQL
    receipts  the claims behind a statement, and what they rest on
    things    search and descriptions
    resources lists that a client may read without a question
    server    the protocol: standard input and output, or HTTP on this machine
"""

from kg.mcp.server import ALL, FEW, HOST, PATH, serve_http, serve_stdio

__all__ = ["ALL", "FEW", "HOST", "PATH", "serve_http", "serve_stdio"]
