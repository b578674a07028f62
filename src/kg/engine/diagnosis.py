"""What a syntax error of the parser means for the person who wrote the query: place, cause, fix."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence

from kg.engine.lexer import Token, position, syntax_error, tokenize
from kg.errors import QuerySyntaxError

_WORDS = """
    a ABS ADJUST ALL AS ASC ASK AVG BASE BIND BNODE BOUND BY CEIL COALESCE CONCAT CONSTRUCT CONTAINS COUNT
    DATATYPE DAY DESC DESCRIBE DISTINCT ENCODE_FOR_URI EXISTS FALSE FILTER FLOOR FROM GRAPH GROUP
    GROUP_CONCAT HASLANG HASLANGDIR HAVING HOURS IF IN IRI ISBLANK ISIRI ISLITERAL ISNUMERIC ISTRIPLE ISURI
    LANG LANGDIR LANGMATCHES LATERAL LCASE LIMIT MAX MD5 MIN MINUS MINUTES MONTH NAMED NOT NOW OBJECT OFFSET
    OPTIONAL ORDER PREDICATE PREFIX RAND REDUCED REGEX REPLACE ROUND SAMETERM SAMPLE SECONDS SELECT
    SEPARATOR SERVICE SHA1 SHA256 SHA384 SHA512 SILENT STR STRAFTER STRBEFORE STRDT STRENDS STRLANG
    STRLANGDIR STRLEN STRSTARTS STRUUID SUBJECT SUBSTR SUM TIMEZONE TRIPLE TRUE TZ UCASE UNDEF UNION URI
    UUID VALUES VERSION WHERE YEAR
"""
_UPDATE_WORDS = """
    ADD ALL CLEAR COPY CREATE DATA DEFAULT DELETE DROP INSERT INTO LOAD MOVE TO USING WITH
"""
KEYWORDS, UPDATE_KEYWORDS = tuple(_WORDS.split()), tuple(_UPDATE_WORDS.split())
_SCHEMES = ("http", "https", "urn", "file", "mailto")
_PLACE = re.compile(r"error at (\d+):(\d+): expected (?:one of )?(.*)", re.DOTALL)
_EXPECTED = re.compile(r'"((?:[^"\\]|\\.)+)"|\b([A-Za-z_]{2,})\b')


def explain(
    text: str, message: str, prefixes: Mapping[str, str], *, keywords: Sequence[str] = KEYWORDS
) -> QuerySyntaxError:
    """
    Turn the parser's message into an error that says what to do.

    Args:
        text: The query.
        message: What pyoxigraph said.
        prefixes: The project's prefixes, which an undeclared one may be.
        keywords: The words of the language: a query's, or an update's too.

    >>> print(explain("SELECT ?s WHER { ?s ?p ?o }", "error at 1:16: expected WHERE", {}))
    Line 1, column 11: 'WHER' is not a keyword or function. Fix: write WHERE.
    """
    tokens = list(tokenize(text))
    start, expected = _place(text, message, keywords)
    return (
        _open_iri(text, tokens)
        or _ungrouped(text, start, message)
        or _undeclared_prefix(text, tokens, prefixes)
        or _unknown_word(text, tokens, keywords)
        or _relative_iri(text, tokens, start, message)
        or _unexpected(text, tokens, start, expected)
    )


def _place(text: str, message: str, keywords: Sequence[str]) -> tuple[int, list[str]]:
    match = _PLACE.match(message)
    if match is None:
        return len(text), []
    lines = text.split("\n")
    line, column = int(match[1]), int(match[2])
    start = sum(len(one) + 1 for one in lines[: line - 1]) + column - 1
    plain = re.sub(r"\[[^\]]*\]", "", match[3])
    found = {quoted or word for quoted, word in _EXPECTED.findall(plain)}
    return start, sorted(one for one in found if one in keywords or not one.isalpha())


def _open_iri(text: str, tokens: list[Token]) -> QuerySyntaxError | None:
    for before, token in itertools.pairwise(tokens):
        is_joined = before.text == "<" and token.start == before.start + 1
        if is_joined and token.kind == "name" and token.text.split(":")[0] in _SCHEMES:
            return syntax_error(
                text,
                before.start,
                "the IRI that opens here is not closed, or holds a space.",
                expected=[">"],
                fix="close it with '>'; write a space as %20",
            )
    return None


def _ungrouped(text: str, start: int, message: str) -> QuerySyntaxError | None:
    if "The SELECT contains a variable that is unbound" not in message:
        return None
    select = text.upper().find("SELECT", 0, start)
    return syntax_error(
        text,
        max(select, 0),
        "a variable of SELECT is neither in GROUP BY nor inside an aggregate.",
        expected=["GROUP BY"],
        fix="add it to GROUP BY, or write (SAMPLE(?x) AS ?one)",
    )


def _undeclared_prefix(
    text: str, tokens: list[Token], prefixes: Mapping[str, str]
) -> QuerySyntaxError | None:
    declared = {
        token.text[:-1]
        for before, token in itertools.pairwise(tokens)
        if token.kind == "name" and before.text.upper() == "PREFIX"
    }
    for token in tokens:
        prefix = token.text.partition(":")[0]
        if token.kind != "name" or prefix in declared:
            continue
        if prefix in prefixes:
            fix = f"open the query with PREFIX {prefix}: <{prefixes[prefix]}>"
        else:
            near = difflib.get_close_matches(prefix, [*declared, *prefixes], n=1, cutoff=0.5)
            fix = f"write {near[0]}:" if near else f"open the query with PREFIX {prefix}: <…>"
            if near and near[0] not in declared:
                fix += f" and open the query with PREFIX {near[0]}: <{prefixes[near[0]]}>"
        return syntax_error(
            text, token.start, f"the prefix {prefix + ':'!r} is not declared.", expected=["PREFIX"], fix=fix
        )
    return None


def _unknown_word(text: str, tokens: list[Token], keywords: Sequence[str]) -> QuerySyntaxError | None:
    known = {word.upper() for word in keywords}
    for token in tokens:
        if token.kind != "word" or token.text.upper() in known:
            continue
        near = difflib.get_close_matches(token.text.upper(), keywords, n=1, cutoff=0.6)
        hint: dict[str, object] = {"expected": near, "fix": f"write {near[0]}"} if near else {}
        if not near:
            hint["fix"] = f"write ?{token.text} for a variable, or prefix:{token.text} for a name"
        return syntax_error(text, token.start, f"{token.text!r} is not a keyword or function.", **hint)
    return None


def _relative_iri(text: str, tokens: list[Token], start: int, message: str) -> QuerySyntaxError | None:
    if "IRI parsing failed" not in message:
        return None
    iris = [token for token in tokens if token.kind == "iri" and token.start < start]
    if not iris:
        return syntax_error(
            text, start, "an IRI before this place holds a space or another character it may not."
        )
    written = iris[-1].text
    if re.match(r"<[A-Za-z][A-Za-z0-9+.-]*:", written):
        return syntax_error(
            text, iris[-1].start, f"{written} is not an IRI.", fix="encode odd characters as %xx"
        )
    return syntax_error(
        text,
        iris[-1].start,
        f"{written} is relative, and the query has no BASE.",
        expected=["BASE"],
        fix="write the whole IRI, or open the query with BASE <…>",
    )


def _unexpected(text: str, tokens: list[Token], start: int, expected: list[str]) -> QuerySyntaxError:
    at = next((token for token in tokens if token.start <= start < token.start + len(token.text)), None)
    at = at or next((token for token in tokens if token.start >= start), None)
    what = f"{at.text[:60]!r} was not expected here" if at else "the query ends too early"
    wanted = f"; expected one of: {' '.join(expected[:12])}" if expected else ""
    line, column = position(text, min(start, len(text)))
    return QuerySyntaxError(
        f"Line {line}, column {column}: {what}, or something is missing before it{wanted}.",
        line=line,
        column=column,
        expected=expected,
    )
