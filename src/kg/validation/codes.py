"""The kinds of problems that a contribution may have: a code each, that stays the same, and what it means."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """
    One kind of problem.

    Args:
        stage: Which part of the judgement finds it.
        level: `error` refuses, `warning` and `note` only tell; "error or warning" where it depends.
        meaning: What is wrong, in one line.
        mending: What to do where nothing better is known of the one problem.
    """

    stage: str
    level: str
    meaning: str
    mending: str = ""


CODES: dict[str, Code] = {
    "syntax": Code("reading", "error", "the text does not parse", "look at the line and the one before it."),
    "undeclared-prefix": Code("reading", "error", "a prefix that the text does not declare"),
    "missing-dot": Code("reading", "error", "a statement without its end"),
    "missing-comma": Code("reading", "error", "two values of JSON without a comma between them"),
    "trailing-comma": Code("reading", "error", "a comma after the last value of JSON"),
    "unclosed-string": Code("reading", "error", "a string without its closing quotation mark"),
    "unclosed-tag": Code("reading", "error", "an element of XML without its end"),
    "unexpected-end": Code("reading", "error", "the text ends inside a statement"),
    "smart-quotes": Code("reading", "error", "typographic quotation marks around a string"),
    "not-an-iri": Code("reading", "error", "an IRI that is not whole"),
    "prefixed-name": Code("reading", "error", "a prefixed name where whole IRIs are written"),
    "merge-conflict": Code("reading", "error", "marks of a merge conflict"),
    "not-utf8": Code("reading", "error", "bytes that are not UTF-8"),
    "doctype": Code("reading", "error", "a DOCTYPE in XML"),
    "entity": Code("reading", "error", "an entity of XML that is not predefined"),
    "remote-context": Code("reading", "error", "a context of JSON-LD that would have to be fetched"),
    "not-rdf-1.1": Code("reading", "error", "a form of RDF 1.2"),
    "too-deep": Code("reading", "error", "brackets or elements nested too deep"),
    "too-large": Code("reading", "error", "more bytes or statements than are taken at once"),
    "unknown-format": Code("reading", "error", "a format that is not read"),
    "byte-order-mark": Code("reading", "note", "a byte order mark before the text"),
    "other-prefix": Code("reading", "warning", "one of our prefixes bound to another namespace"),
    "ignored-name": Code("reading", "error", "a key of JSON-LD that the context does not define"),
    "empty": Code("reading", "warning", "a text without a statement"),
    # candidate: the arrangement into graphs
    "already-named": Code("graphs", "error", "something published is named or described again"),
    "blank-node": Code("graphs", "error", "a thing without an IRI"),
    "claim-without-record": Code("graphs", "error", "a graph of triples that no record says the source of"),
    "malformed-slug": Code("graphs", "error", "an IRI that is not formed as ours are"),
    "misplaced-triple": Code("graphs", "error", "a record, passage or name in a graph of another kind"),
    "named-in-claim": Code("graphs", "error", "a name or description given inside a claim"),
    "no-claim": Code("graphs", "error", "a text without a claim"),
    "not-a-claim": Code("graphs", "error", "a graph whose name is no claim"),
    "not-a-draft": Code("graphs", "error", "a claim or passage numbered by the contributor"),
    "not-yours": Code("graphs", "error", "something published, or kept by the project, is changed"),
    "outside-claim": Code("graphs", "error", "a triple in no claim"),
    "record-without-triples": Code("graphs", "error", "a claim's record whose graph is empty"),
    "same-name": Code("graphs", "error or warning", "a new thing has the name of one that exists"),
    "several-claims": Code("graphs", "error", "two claims in a format without graphs"),
    # vocabulary
    "abstract-class": Code("vocabulary", "error", "a class that only gathers others is given as a type"),
    "defined-class": Code("vocabulary", "error", "a class that follows by reasoning is given as a type"),
    "foreign-term": Code("vocabulary", "error", "a term of another vocabulary"),
    "text-for-thing": Code("vocabulary", "error", "a text where the IRI of a thing is expected"),
    "unknown-concept": Code("vocabulary", "error", "a concept that does not exist"),
    "unknown-entity": Code("vocabulary", "error", "a thing that neither the graph nor the contribution has"),
    "unknown-term": Code("vocabulary", "error", "a class or property that the ontology does not have"),
    "wrong-kind": Code(
        "vocabulary",
        "error",
        "a class for a property, a thing for a class, and the like",
        "write it as the message says.",
    ),
    # shapes
    "derived-property": Code(
        "shapes", "error", "a property that is only inferred", "write what it follows from; see the message."
    ),
    "malformed-value": Code(
        "shapes", "error", "a text not of the form that is expected", "write it in the form that is expected."
    ),
    "misplaced-property": Code(
        "shapes",
        "error",
        "a property that things of this class do not have",
        "leave it out, or say it of the thing that it belongs to.",
    ),
    "missing-value": Code(
        "shapes",
        "error",
        "a property that must be there is not",
        "add it; the message says what is expected.",
    ),
    "out-of-range": Code(
        "shapes",
        "error",
        "a number below or above what it can be",
        "look at the number again; kg cite prints a passage's.",
    ),
    "reversed-values": Code(
        "shapes", "error", "a start after its end", "look at both again; kg cite prints a passage's offsets."
    ),
    "too-long": Code("shapes", "error", "a text longer than allowed", "say it shorter."),
    "too-many-values": Code(
        "shapes",
        "error",
        "more values than the property may have",
        "keep one; for another value make a record of its own.",
    ),
    "unequal-values": Code(
        "shapes", "error", "two values that must be the same are not", "make the two the same."
    ),
    "unfit-value": Code(
        "shapes",
        "error",
        "a value that breaks another constraint of its shape",
        "write it as the message says.",
    ),
    "withheld-text": Code("shapes", "error", "words of the document in oa:exact, oa:prefix or oa:suffix"),
    "wrong-class": Code(
        "shapes",
        "error",
        "a thing or concept of another class than expected",
        "name a thing or concept of the class that is expected.",
    ),
    "wrong-datatype": Code(
        "shapes", "error", "a literal of another datatype than expected", "write it as the message says."
    ),
    "wrong-direction": Code("shapes", "error", "subject and object are exchanged"),
    "wrong-language": Code(
        "shapes", "error", "a text without its language, or in another", "write it in English, with @en."
    ),
    # consistency
    "disjoint-classes": Code("consistency", "error", "a thing would be of two classes that share nothing"),
    "opposed-roles": Code("consistency", "error", "somebody on two sides that exclude each other"),
    # checks, by the name of their file
    "bare-hedge": Code(
        "checks",
        "error",
        "what is hedged or predicted stands as a fact",
        "say it on a record such as lat:Assessment; if the source asserts it, its status is stated.",
    ),
    "bare-type": Code(
        "checks",
        "error",
        "a claim that states only a type",
        "add what the passage says, or leave the claim out.",
    ),
    "cyclic-parts": Code(
        "checks",
        "error",
        "a part that contains itself by a way round",
        "turn one of the links round, or leave it out.",
    ),
    "long-passage": Code(
        "checks",
        "error",
        "a passage of over 600 code points, or past the document's end",
        "cite several shorter passages.",
    ),
    "other-document": Code(
        "checks",
        "error",
        "a passage or section of another document than the claim's",
        "cite a passage of the document that the claim is stated in.",
    ),
    "repeated-situation": Code(
        "checks",
        "error",
        "a membership, tenure or participation written twice",
        "leave the new record out and make the claim about the one there is.",
    ),
    "reversed-dates": Code("checks", "error", "an end before its start", "look at both dates again."),
    "self-relation": Code("checks", "error", "a thing related to itself", "name the other thing."),
    "two-types": Code(
        "checks",
        "error",
        "a thing of two classes, neither above the other",
        "keep the class that is published.",
    ),
    "unmentioned-entity": Code(
        "checks",
        "error",
        "a new thing that no claim speaks of",
        "add the claim that speaks of it, or leave it out.",
    ),
    "unused-passage": Code(
        "checks",
        "error",
        "a passage that no claim rests on",
        "name it as the evidence of its claim, or leave it out.",
    ),
    # receipts
    "repeats-document": Code("evidence", "error", "a text that repeats a run of the document's words"),
    "unfound-passage": Code("evidence", "warning", "a passage that is not in the copy that was sent"),
    "wrong-document": Code("evidence", "error", "a digest or length that is not that of the copy"),
    "wrong-passage": Code("evidence", "error", "offsets, digest or words that do not agree with the text"),
    # likeness and oddity
    "contradiction": Code("likeness", "warning", "a published claim gives another value"),
    "duplicate-claim": Code("likeness", "warning or note", "a published claim says the same"),
    "odd-value": Code("likeness", "warning", "a date or number that is most often a slip"),
    "other-precision": Code("likeness", "note", "the same date as published, more or less precisely"),
    "similar-record": Code("likeness", "warning", "a new record that says what a published one says"),
}
