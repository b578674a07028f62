"""
The graph for language models: the Model Context Protocol over what the web service holds.

    support   the claims behind the rows of an answer
    naming    what a caller calls a thing -> its IRI
    results   rows, claims and passages as values, bounded
    texts     the same as Markdown
    tools     what each tool is called, takes and returns
    calls     what each tool does
    resources lists that a client may read without a question
    server    the protocol: standard input and output, or HTTP on this machine
"""

from kg.mcp.server import ALL, FEW, HOST, PATH, serve_http, serve_stdio

__all__ = ["ALL", "FEW", "HOST", "PATH", "serve_http", "serve_stdio"]
