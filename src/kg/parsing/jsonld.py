"""JSON-LD: contexts stand in the text or are ours; nothing is fetched, ever."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pyoxigraph as ox

from kg.names import BASE, Prefixes
from kg.parsing.agreement import agree
from kg.parsing.expansion import Expansion, InexactError
from kg.parsing.jsontext import JSONFault, Node, parse_json
from kg.parsing.mending import apply_changes, tell
from kg.parsing.reading import Change, Fault, Lines, Reading, Source
from kg.turtle import Places

CONTEXT = BASE + "context.jsonld"
_QUOTED = re.compile(r"'([^']+)'|\"([^\"]+)\"|(@[a-z]+)|<([^>]+)>")


def context_document(prefixes: Prefixes) -> dict[str, dict[str, str]]:
    """
    Return our own context: every prefix of the project.

    >>> context_document(Prefixes({"e": "http://e/"}))
    {'@context': {'e': 'http://e/'}}
    """
    return {"@context": {prefix: prefixes[prefix] for prefix in sorted(prefixes)}}


def read_jsonld(source: Source, prefixes: Prefixes) -> Reading:
    """Read JSON-LD."""
    diagnose = _diagnosis(prefixes)
    if diagnose(source.text):
        return source.reading(problems=tell(source.text, source.path, diagnose))
    root = parse_json(source.text)
    lines = Lines(source.text)
    expansion, is_exact = _expand(source.text, prefixes)
    statements = expansion.found if is_exact else []
    whole = lines.span(root.start, root.start + 1)
    placed = agree(statements, _parse(source.text, root, prefixes), Places(None, whole, whole, whole))
    dropped = [_dropped(one) for one in expansion.dropped] if is_exact else []
    warnings = tell(source.text, source.path, lambda _: dropped)
    return source.reading(placed, _declared(root, prefixes), warnings)


def _diagnosis(prefixes: Prefixes) -> Callable[[str], list[Fault]]:
    def diagnose(text: str) -> list[Fault]:
        try:
            root = parse_json(text)
        except JSONFault as error:
            return [error.fault]
        if root.kind not in ("object", "array"):
            return [Fault(root.start, root.end, "this is one value: expected an object or an array of them.")]
        remote = list(_remote(root))
        if remote:
            return remote
        try:
            _parse(text, root, prefixes)
        except SyntaxError as error:
            return [_refused(str(error.msg), text, root)]
        return sorted(_undeclared(text, root, prefixes), key=lambda one: one.start)

    return diagnose


def _contexts(node: Node) -> Iterator[Node]:
    """Yield the value of every `@context`."""
    for key, value in node.members:
        if key.value == "@context":
            yield value
        yield from _contexts(value)
    for item in node.items:
        yield from _contexts(item)


def _references(root: Node) -> Iterator[Node]:
    """Yield the strings that name contexts from elsewhere."""
    for value in _contexts(root):
        for one in value.items if value.kind == "array" else [value]:
            if one.kind == "string":
                yield one
            imported = one.get("@import")
            if imported is not None:
                yield imported


def _remote(root: Node) -> Iterator[Fault]:
    for one in _references(root):
        if one.value != CONTEXT:
            yield Fault(
                one.start,
                one.end,
                f"the context {str(one.value)[:200]!r} stands elsewhere, and nothing is fetched:"
                " expected it in this text.",
                "remote-context",
                f'write the terms ("@context": {{"lat": "{BASE}ontology#", …}}), or name ours: "{CONTEXT}".',
                "an object",
            )


def _inlined(text: str, root: Node, prefixes: Prefixes) -> str:
    """Return the text with our own context where it is named."""
    ours = json.dumps(context_document(prefixes)["@context"])
    changes = [Change(one.start, one.end, ours) for one in _references(root) if one.value == CONTEXT]
    return apply_changes(text, changes) or text


def _parse(text: str, root: Node, prefixes: Prefixes) -> list[ox.Quad]:
    return list(ox.parse(_inlined(text, root, prefixes).encode("utf-8"), format=ox.RdfFormat.JSON_LD))


def _expand(text: str, prefixes: Prefixes) -> tuple[Expansion, bool]:
    """Read with places; tell whether all of it could be followed."""
    expansion, root = Expansion(Lines(text)), parse_json(text)
    ours = parse_json(json.dumps(context_document(prefixes)["@context"]))
    for one in _references(root):
        one.kind, one.members = ours.kind, ours.members
    try:
        expansion.document(root)
    except (InexactError, RecursionError):
        return expansion, False
    return expansion, True


def _undeclared(text: str, root: Node, prefixes: Prefixes) -> Iterator[Fault]:
    """Find names that make no IRI, or whose prefix is ours and not declared: JSON-LD takes those as IRIs."""
    expansion, _ = _expand(text, prefixes)
    for one in expansion.wrong:
        yield Fault(
            one.start,
            one.end,
            f"{str(one.value)[:80]!r} makes no IRI: expected one without spaces and quotes.",
            "not-an-iri",
            "write a prefixed name (id:malta), or the IRI in full.",
        )
    missing = {prefix: node for prefix, node in expansion.used.items() if prefix in prefixes}
    if not missing:
        return
    first = min(missing.values(), key=lambda node: node.start)
    names = ", ".join(map(repr, sorted(missing)))
    are = "prefix {} is" if len(missing) == 1 else "prefixes {} are"
    lines = ", ".join(f'"{prefix}": "{prefixes[prefix]}"' for prefix in sorted(missing))
    yield Fault(
        first.start,
        first.end,
        f"{are.format(names)} declared in no @context: expected a declaration.",
        "undeclared-prefix",
        f'write "@context": "{CONTEXT}" at the top, or declare there: {lines}.',
        lines,
        tuple(_declarations(root, lines)),
    )


def _declarations(root: Node, lines: str) -> Iterator[tuple[Change, ...]]:
    if root.kind != "object":
        return
    inside = root.start + 1
    context = root.get("@context")
    comma = ", " if root.members else ""
    if context is None:
        yield (Change(inside, inside, f'"@context": {{{lines}}}{comma}'),)
    elif context.kind == "object":
        yield (Change(context.start + 1, context.start + 1, lines + (", " if context.members else "")),)
    elif context.kind == "string":
        yield (Change(context.start, context.start, "["), Change(context.end, context.end, f", {{{lines}}}]"))
    elif context.kind == "array":
        yield (Change(context.end - 1, context.end - 1, (", " if context.items else "") + f"{{{lines}}}"),)


def _culprit(node: Node, keys: set[str], *, is_text: bool) -> Node | None:
    """Find the first object that has all of some keys; if texts are demanded, one with another value."""
    found = {str(key.value): (key, value) for key, value in node.members}
    if keys <= found.keys():
        key, value = max((found[one] for one in keys), key=lambda pair: pair[0].start)
        if not is_text or value.kind not in ("string", "array", "object"):
            return key
    inside = (
        _culprit(one, keys, is_text=is_text) for one in (*(value for _, value in node.members), *node.items)
    )
    return next((one for one in inside if one is not None), None)


def _refused(message: str, text: str, root: Node) -> Fault:
    """Tell what the parser says, at the thing that it names if that is found."""
    reason = re.sub(r"^Parser error at .*?: ", "", message)
    start, end = 0, min(1, len(text))
    keys = set(re.findall(r"@[a-z]+", reason))
    key = _culprit(root, keys, is_text="must be a string" in reason) if keys else None
    if key is not None:
        return Fault(key.start, key.end, f"{reason.rstrip('.')}: expected JSON-LD 1.1.", is_last=True)
    for match in _QUOTED.finditer(reason):
        word = next(one for one in match.groups() if one)
        at = text.rfind(f'"{word}"') if "twice" in reason else text.find(f'"{word}"')
        if at >= 0:
            start, end = at, at + len(word) + 2
            break
    code = "not-an-iri" if "IRI" in reason else "syntax"
    return Fault(start, end, f"{reason.rstrip('.')}: expected JSON-LD 1.1.", code, is_last=True)


def _dropped(node: Node) -> Fault:
    return Fault(
        node.start,
        node.end,
        f"{str(node.value)[:80]!r} means nothing here and is not read: no context defines it.",
        "ignored-name",
        "write a prefixed name (lat:memberOf), or a whole IRI.",
        "a term, a prefixed name or an IRI",
        level="warning",
    )


def _declared(root: Node, prefixes: Prefixes) -> dict[str, str]:
    """Return what the contexts declare that may serve as prefixes."""
    found: dict[str, str] = {}
    for value in _contexts(root):
        for one in value.items if value.kind == "array" else [value]:
            if one.kind == "string" and one.value == CONTEXT:
                found.update(prefixes)
            for key, iri in one.members:
                if iri.kind == "string" and str(iri.value)[-1:] in ("/", "#", ":") and key.value != "@vocab":
                    found[str(key.value)] = str(iri.value)
    return found
