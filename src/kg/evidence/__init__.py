"""
Evidence: canonical words, digests, anchoring, copies, coverage.

Modules: `canon` words and digests · `passages` what a passage is, read and checked · `anchor` first and
last words to a span · `citing` a span to a passage block · `reanchoring` passages found again in any
copy · `copies` text, HTML, PDF to text · `sections` headings to spans · `sentences` a text to its
sentences · `coverage` which of them no claim covers · `coverage_page` that, as a page · `republication`
runs of words that two texts share.
"""

from kg.evidence.anchor import anchor
from kg.evidence.canon import Word, digest, digest_file_text, words
from kg.evidence.citing import cite
from kg.evidence.copies import find_kept, parse_copy, read_copy
from kg.evidence.coverage import Coverage, Exceptions, coverage, load_exceptions
from kg.evidence.passages import (
    Passage,
    Span,
    check_passages,
    load_claims,
    load_document,
    load_located,
    load_passages,
)
from kg.evidence.reanchoring import Finding, verify
from kg.evidence.republication import SharedRun, SourceRuns
from kg.evidence.sections import Section, load_sections

__all__ = [
    "Coverage",
    "Exceptions",
    "Finding",
    "Passage",
    "Section",
    "SharedRun",
    "SourceRuns",
    "Span",
    "Word",
    "anchor",
    "check_passages",
    "cite",
    "coverage",
    "digest",
    "digest_file_text",
    "find_kept",
    "load_claims",
    "load_document",
    "load_exceptions",
    "load_located",
    "load_passages",
    "load_sections",
    "parse_copy",
    "read_copy",
    "verify",
    "words",
]
