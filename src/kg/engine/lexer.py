"""
Tokens of a SPARQL query: what is code, and what is string, IRI or comment.

It decides nothing about grammar. It must never take for text what the parser takes for code: where `<` may
open an IRI or compare, and the two readings differ in what they hide, the query is refused with a fix.

Source: SPARQL 1.1 Query Language, section 19.8, https://www.w3.org/TR/sparql11-query/#sparqlGrammar
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kg.errors import QuerySyntaxError

_BASE = (
    r"A-Za-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02FF\u0370-\u037D\u037F-\u1FFF\u200C\u200D\u2070-\u218F"
    r"\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\U00010000-\U000EFFFF"
)
_CHARS = _BASE + r"_\-0-9\u00B7\u0300-\u036F\u203F\u2040"
_PLX = r"%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?\#@%]"
_LOCAL = rf"(?:[{_BASE}_0-9:]|{_PLX})(?:(?:[{_CHARS}:]|{_PLX})|\.+(?=[{_CHARS}:%\\]))*+"
_ESCAPE = r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
_TOKEN = re.compile(
    rf"""
    (?:[\x20\t\r\n]++|\#[^\r\n]*+)*+ (?:
    (?P<iri><[^<>"{{}}\x00-\x20]*+>)
  | (?P<string>'''(?:'{{0,2}}+(?:[^'\\]|\\.))*+''' | \"\"\"(?:"{{0,2}}+(?:[^"\\]|\\.))*+\"\"\"
            | '(?!'')(?:[^'\\\n\r]|\\[^\n\r])*+' | "(?!"")(?:[^"\\\n\r]|\\[^\n\r])*+")
  | (?P<variable>[?$][{_BASE}_0-9\u00B7\u0300-\u036F\u203F\u2040]++)
  | (?P<blank>_:[{_BASE}_0-9](?:[{_CHARS}]|\.+(?=[{_CHARS}]))*+)
  | (?P<name>(?:[{_BASE}](?:[{_CHARS}]|\.+(?=[{_CHARS}]))*+)?:(?:{_LOCAL})?)
  | (?P<language>@[A-Za-z]++(?:-{{1,2}}[A-Za-z0-9]++)*+)
  | (?P<number>(?:\d++\.\d*[eE][+-]?\d+|\.?\d+[eE][+-]?\d+|\d*\.\d+|\d+))
  | (?P<word>[A-Za-z_][A-Za-z_0-9]*+)
  | (?P<escape>{_ESCAPE})
  | (?P<symbol>\^\^|\|\||&&|!=|.)
  | (?P<end>\Z))
    """,
    re.VERBOSE | re.DOTALL,
)
_PAIRS = {")": "(", "]": "[", "}": "{"}
OPERANDS = frozenset({"iri", "string", "variable", "blank", "name", "language", "number"})


class Token(NamedTuple):
    """
    One token of a query.

    Args:
        kind: iri, string, variable, blank, name, language, number, word, escape or symbol.
        text: As written.
        start: Where it starts, in code points.
    """

    kind: str
    text: str
    start: int

    def is_operand(self) -> bool:
        """Say whether a value may end here, so that `<` after it may compare."""
        return self.kind in OPERANDS or self.text in (")", "]") or self.text.lower() in ("true", "false")


def position(text: str, start: int) -> tuple[int, int]:
    """
    Turn an offset into line and column, both from 1, in code points.

    >>> position("ab\\ncd", 4)
    (2, 2)
    """
    before = text[:start]
    return before.count("\n") + 1, start - before.rfind("\n")


def syntax_error(text: str, start: int, message: str, **fields: object) -> QuerySyntaxError:
    """Make the error for a place in a query: the message opens with line and column."""
    line, column = position(text, start)
    fix = f" Fix: {fields['fix']}." if fields.get("fix") else ""
    return QuerySyntaxError(
        f"Line {line}, column {column}: {message}{fix}",
        line=line,
        column=column,
        **{"expected": [], **fields},
    )


def scan(text: str) -> Iterator[Token]:
    """Yield tokens by their spelling alone, without space and comments; brackets need not match."""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "symbol"
        if kind != "end":
            yield Token(kind, match[kind], match.start(kind))


def tokenize(text: str) -> Iterator[Token]:
    """
    Yield the tokens of a query, without space and comments; brackets match.

    Raises:
        QuerySyntaxError: A string is not closed, a bracket does not match, or `<` is ambiguous.

    >>> [token.text for token in tokenize("ASK { ?s ?p 'a # b' } # end")]
    ['ASK', '{', '?s', '?p', "'a # b'", '}']
    """
    opened: list[Token] = []
    before: Token | None = None
    for token in scan(text):
        if token.kind == "symbol":
            if token.text in "([{":
                opened.append(token)
            elif token.text in _PAIRS:
                _close(text, opened, token)
            elif token.text in ("'", '"'):
                what = "the string that opens here is not closed."
                raise syntax_error(text, token.start, what, fix="close it")
        elif token.kind == "iri" and opened and opened[-1].text == "(" and before and before.is_operand():
            _refuse_ambiguous(text, token)
        yield token
        before = token
    if opened:
        shut = {"(": ")", "[": "]", "{": "}"}[opened[-1].text]
        raise syntax_error(
            text,
            opened[-1].start,
            f"{opened[-1].text!r} is not closed.",
            expected=[shut],
            fix=f"add {shut!r}",
        )


def _close(text: str, opened: list[Token], token: Token) -> None:
    if not opened:
        raise syntax_error(text, token.start, f"{token.text!r} closes nothing.", fix="take it out")
    last = opened.pop()
    if last.text != _PAIRS[token.text]:
        line, column = position(text, last.start)
        raise syntax_error(
            text,
            token.start,
            f"{token.text!r} does not close {last.text!r} of line {line}, column {column}.",
            expected=[{"(": ")", "[": "]", "{": "}"}[last.text]],
        )


def _refuse_ambiguous(text: str, token: Token) -> None:
    if "'" in token.text or bracket_levels(token.text)[1] != 0:
        raise syntax_error(
            text,
            token.start,
            f"{token.text!r} may be an IRI or a comparison.",
            fix="write a space after '<' to compare; in an IRI write ' ( ) as %27 %28 %29",
        )


def bracket_levels(text: str) -> tuple[int, int]:
    """
    Return how deep the parentheses inside a piece of text go, and how many it leaves open.

    >>> bracket_levels("<a(b(c))>"), bracket_levels("<a)(>")
    ((2, 0), (0, 0))
    """
    level = deepest = 0
    for character in text:
        level += (character == "(") - (character == ")")
        deepest = max(deepest, level)
    return deepest, level


def decode_escapes(text: str) -> str:
    """
    Decode code point escapes that stand outside strings and IRIs, as SPARQL does before it parses.

    The parser itself decodes those inside strings and IRIs.

    Source: SPARQL 1.1 Query Language, section 19.2.

    >>> decode_escapes("\\\\u0053ELECT")
    'SELECT'
    """
    if "\\u" not in text and "\\U" not in text:
        return text
    found = [token for token in scan(text) if token.kind == "escape"]
    pieces, end = [], 0
    for token in found:
        code = int(token.text[2:], 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise syntax_error(text, token.start, f"{token.text} is not a character.")
        pieces += [text[end : token.start], chr(code)]
        end = token.start + len(token.text)
    return "".join([*pieces, text[end:]])
