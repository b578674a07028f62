"""Slips in what stands around a claim: its record, its passage, its document, its graph."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pyoxigraph as ox

from tests.corpus.drafts import (
    BASE,
    DRAFT,
    FORMATS,
    ID,
    LABEL,
    LAT,
    OA,
    PASSAGE,
    TYPE,
    WITH_GRAPHS,
    Draft,
    Triple,
)
from tests.corpus.good import english, literal, make, node
from tests.corpus.material import DOCUMENT, SENTENCES, TEXT, digest, load
from tests.corpus.slips import Fault, Slip, Spoil, spoilt

TIMES = 3
SELECTOR = PASSAGE + "1#selector"
EVERY = tuple(FORMATS)


def _one(draft: Draft, subject: str, name: str) -> Triple:
    base = OA if name in ("start", "end", "hasSelector", "hasSource") else LAT
    return draft.find(subject, base + name)[0]


def _shift(triple: Triple, by: int) -> None:
    triple.object = literal(str(int(str(triple.object.value)) + by), kind="integer")


def _without(draft: Draft, subject: str) -> None:
    draft.triples[:] = [one for one in draft.triples if one.subject != subject or one.graph is not None]


def record_without(name: str) -> Spoil:
    """Leave one property of the record out."""

    def spoil(draft: Draft, rng: random.Random) -> Fault:
        draft.triples.remove(_one(draft, draft.claim, name))
        return Fault([], [draft.claim])

    return spoil


def unknown_status(draft: Draft, rng: random.Random) -> Fault:
    """Give a status that does not exist."""
    one = _one(draft, draft.claim, "epistemicStatus")
    one.object = node(BASE + "concept/status/" + rng.choice(["certain", "sure", "confirmed"]))
    return Fault([one])


def two_statuses(draft: Draft, rng: random.Random) -> Fault:
    """Give two statuses."""
    one = _one(draft, draft.claim, "epistemicStatus")
    two = draft.add(Triple(draft.claim, one.predicate, node(BASE + "concept/status/attributed")))
    return Fault([one, two])


def two_documents(draft: Draft, rng: random.Random) -> Fault:
    """State a claim in two documents."""
    one = _one(draft, draft.claim, "statedIn")
    two = draft.add(Triple(draft.claim, one.predicate, node(BASE + "document/wef-2026")))
    return Fault([one, two])


def unrecorded(draft: Draft, rng: random.Random) -> Fault:
    """Leave out the record of a claim."""
    _without(draft, draft.claim)
    return Fault([one for one in draft.triples if one.graph == draft.claim], [draft.claim])


def empty_claim(draft: Draft, rng: random.Random) -> Fault:
    """Record a second claim that says nothing."""
    claim = DRAFT + "9"
    for one in draft.find(draft.claim, TYPE)[:1] + [
        one for one in draft.triples if one.subject == draft.claim and one.predicate != TYPE
    ]:
        draft.add(Triple(claim, one.predicate, one.object))
    return Fault([], [claim])


def other_number(draft: Draft, rng: random.Random) -> Fault:
    """Number the graph otherwise than its record."""
    for one in draft.triples:
        if one.graph == draft.claim:
            one.graph = DRAFT + "2"
    return Fault([one for one in draft.triples if one.graph is not None], [DRAFT + "2", draft.claim])


def no_passage(draft: Draft, rng: random.Random) -> Fault:
    """Name evidence that is nowhere."""
    _without(draft, PASSAGE + "1")
    _without(draft, SELECTOR)
    return Fault([_one(draft, draft.claim, "evidence")])


def evidence_of_document(draft: Draft, rng: random.Random) -> Fault:
    """Name the document as evidence."""
    one = _one(draft, draft.claim, "evidence")
    one.object = node(DOCUMENT)
    _without(draft, PASSAGE + "1")
    _without(draft, SELECTOR)
    return Fault([one])


def published_claim(draft: Draft, rng: random.Random) -> Fault:
    """Write on the record of a published claim."""
    claim = f"{BASE}claim/ipi-2024/{rng.randrange(70, 90):04}"
    one = Triple(claim, LAT + "epistemicStatus", node(BASE + "concept/status/hedged"))
    draft.triples.append(one)
    return Fault([one], [one.subject])


def published_graph(draft: Draft, rng: random.Random) -> Fault:
    """Write into the graph of a published claim."""
    claim = f"{BASE}claim/ipi-2024/{rng.randrange(70, 90):04}"
    issue = node(BASE + "concept/issue/small-states")
    one = draft.add(Triple(ID + "united-nations", LAT + "concernsIssue", issue, claim))
    return Fault([one], [claim])


def published_passage(draft: Draft, rng: random.Random) -> Fault:
    """Write on a published passage."""
    one = Triple(BASE + "passage/ipi-2024/0003", LAT + "page", literal("12"))
    draft.triples.append(one)
    return Fault([one], [one.subject])


def of_the_ontology(draft: Draft, rng: random.Random) -> Fault:
    """Write on a class of the ontology."""
    one = Triple(LAT + "Mediation", LABEL, english("go-between"))
    draft.triples.append(one)
    return Fault([one], [one.subject])


def of_a_concept(draft: Draft, rng: random.Random) -> Fault:
    """Write on a published concept."""
    one = Triple(
        BASE + "concept/issue/small-states", "http://www.w3.org/2004/02/skos/core#altLabel", english("lamps")
    )
    draft.triples.append(one)
    return Fault([one], [one.subject])


def foreign_graph(draft: Draft, rng: random.Random) -> Fault:
    """Name a graph of one's own."""
    name = rng.choice(
        ["https://example.org/graph", ID + "norway", BASE + "graph/inferred", BASE + "graph/ontology"]
    )
    there = [one for one in draft.triples if one.graph == draft.claim]
    for one in there:
        one.graph = name
    return Fault(there, [name])


def outside(draft: Draft, rng: random.Random) -> Fault:
    """State a fact of a published thing outside the claims."""
    thing = ID + rng.choice(["norway", "united-nations", "joel-ng"])
    one = draft.add(Triple(thing, LAT + "concernsIssue", node(BASE + "concept/issue/small-states")))
    return Fault([one], [one.subject])


def named_inside(draft: Draft, rng: random.Random) -> Fault:
    """Name the new thing inside the claim."""
    [one] = draft.find(draft.about, LABEL)
    draft.triples.remove(one)
    one.graph = draft.claim
    draft.add(one)
    return Fault([one])


def passage_inside(draft: Draft, rng: random.Random) -> Fault:
    """Write the passage inside the claim."""
    there = [one for one in draft.triples if one.subject == PASSAGE + "1"]
    for one in there:
        one.graph = draft.claim
    return Fault(there, [PASSAGE + "1"])


def numbered_by_hand(draft: Draft, rng: random.Random) -> Fault:
    """Number a claim as a published one."""
    claim = BASE + "claim/ipi-2024/9901"
    for one in draft.triples:
        one.subject = claim if one.subject == draft.claim else one.subject
        one.graph = claim if one.graph == draft.claim else one.graph
    return Fault([one for one in draft.triples if one.graph == claim], [claim])


def bare_hedge(draft: Draft, rng: random.Random) -> Fault:
    """State as a fact what the source only predicts."""
    again = make(LAT + rng.choice(["Membership", "Mediation", "Tenure"]), rng.randrange(999))
    draft.triples[:], draft.about = again.triples, again.about
    one = _one(draft, draft.claim, "epistemicStatus")
    one.object = node(BASE + "concept/status/" + rng.choice(["predicted", "hedged", "recommended"]))
    return Fault([one, *(one for one in draft.triples if one.graph is not None)], [draft.claim])


def bare_type(draft: Draft, rng: random.Random) -> Fault:
    """State nothing but a class."""
    draft.triples[:] = [one for one in draft.triples if one.graph is None]
    one = draft.add(Triple(ID + "norway", TYPE, node(LAT + "State"), draft.claim))
    return Fault([one], [draft.claim, draft.about])


def second_claim(draft: Draft, rng: random.Random) -> Fault:
    """Make a second claim in a format without graphs."""
    again = make(draft.kind, rng.randrange(999), claims=2)
    draft.triples[:] = again.triples
    return Fault([], [DRAFT + "1", DRAFT + "2"])


def spare_passage(draft: Draft, rng: random.Random) -> Fault:
    """Write a passage that no claim rests on."""
    draft.triples.remove(_one(draft, draft.claim, "evidence"))
    draft.add(Triple(draft.claim, LAT + "evidence", node(PASSAGE + "2")))
    for one in [
        one for one in make(draft.kind, 1, claims=2).triples if one.subject.startswith(PASSAGE + "2")
    ]:
        draft.triples.append(one)
    return Fault([], [PASSAGE + "1"])


# ---- the passage against the copy


def wrong_digest(draft: Draft, rng: random.Random) -> Fault:
    """Change one digit of the digest."""
    one = _one(draft, PASSAGE + "1", "digest")
    text = str(one.object.value)
    at = rng.randrange(10, len(text))
    one.object = literal(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
    return Fault([one])


def short_digest(draft: Draft, rng: random.Random) -> Fault:
    """Leave out one digit of the digest."""
    one = _one(draft, PASSAGE + "1", "digest")
    one.object = literal(str(one.object.value)[:-1])
    return Fault([one])


def wrong_count(draft: Draft, rng: random.Random) -> Fault:
    """Count one word too many or too few."""
    one = _one(draft, PASSAGE + "1", "wordCount")
    _shift(one, rng.choice([-1, 1]))
    return Fault([one])


def shifted(draft: Draft, rng: random.Random) -> Fault:
    """Shift both positions."""
    pair = [_one(draft, SELECTOR, "start"), _one(draft, SELECTOR, "end")]
    by = rng.choice([7, 12, 40])
    for one in pair:
        _shift(one, by)
    return Fault([*pair, *draft.find(PASSAGE + "1", LAT + "digest")], [PASSAGE + "1", SELECTOR])


def exchanged(draft: Draft, rng: random.Random) -> Fault:
    """Exchange start and end."""
    start, end = _one(draft, SELECTOR, "start"), _one(draft, SELECTOR, "end")
    start.object, end.object = end.object, start.object
    return Fault([start, end])


def past_the_end(draft: Draft, rng: random.Random) -> Fault:
    """End after the document does."""
    one = _one(draft, SELECTOR, "end")
    one.object = literal(str(len(TEXT) + 50), kind="integer")
    return Fault([one, _one(draft, SELECTOR, "start")], [PASSAGE + "1", SELECTOR])


def too_long_a_passage(draft: Draft, rng: random.Random) -> Fault:
    """Take over six hundred code points."""
    start, end = _one(draft, SELECTOR, "start"), _one(draft, SELECTOR, "end")
    start.object, end.object = literal("7", kind="integer"), literal("707", kind="integer")
    return Fault([start, end], [PASSAGE + "1", SELECTOR])


def five_words(draft: Draft, rng: random.Random) -> Fault:
    """Write five first words."""
    one = _one(draft, PASSAGE + "1", "firstWords")
    sentence = next(each for each in SENTENCES if each.startswith(str(one.object.value)))
    one.object = literal(" ".join(sentence.split(" ")[:5]))
    return Fault([one])


def other_first_words(draft: Draft, rng: random.Random) -> Fault:
    """Write first words that are not there."""
    one = _one(draft, PASSAGE + "1", "firstWords")
    one.object = literal("Several lanterns were")
    return Fault([one])


def other_last_words(draft: Draft, rng: random.Random) -> Fault:
    """Write last words that are not there."""
    one = _one(draft, PASSAGE + "1", "lastWords")
    one.object = literal("all evening")
    return Fault([one])


def not_in_the_copy(draft: Draft, rng: random.Random) -> Fault:
    """Describe words that the copy does not hold."""
    text = "Several lanterns were seen on the mole all evening"
    values = {
        "digest": literal(digest(text)),
        "firstWords": literal("Several lanterns were"),
        "lastWords": literal("all evening"),
        "wordCount": literal("9", kind="integer"),
    }
    there = [_one(draft, PASSAGE + "1", name) for name in values]
    for one, value in zip(there, values.values(), strict=True):
        one.object = value
    return Fault(
        [*there, _one(draft, SELECTOR, "start"), _one(draft, SELECTOR, "end")], [PASSAGE + "1", SELECTOR]
    )


def no_selector(draft: Draft, rng: random.Random) -> Fault:
    """Leave out the selector's block."""
    _without(draft, SELECTOR)
    return Fault([_one(draft, PASSAGE + "1", "hasSelector")], [PASSAGE + "1"])


def section_elsewhere(draft: Draft, rng: random.Random) -> Fault:
    """Name a section of another document."""
    one = _one(draft, PASSAGE + "1", "inSection")
    one.object = node(BASE + "document/ipi-2024/about-ipi")
    return Fault([one])


def source_elsewhere(draft: Draft, rng: random.Random) -> Fault:
    """Take the passage from another document than the claim."""
    one = _one(draft, PASSAGE + "1", "hasSource")
    one.object = node(BASE + "document/ipi-2024")
    return Fault([one, _one(draft, draft.claim, "evidence")], [PASSAGE + "1", draft.claim])


def quoted(draft: Draft, rng: random.Random) -> Fault:
    """Repeat the document's words."""
    again = make(LAT + "Assessment", rng.randrange(999))
    draft.triples[:], draft.about = again.triples, again.about
    [one] = draft.find(draft.about, LAT + "gist")
    one.object = english(rng.choice(SENTENCES[:6]))
    return Fault([one])


def quoted_in_description(draft: Draft, rng: random.Random) -> Fault:
    """Repeat the document's words in a description."""
    again = make(LAT + "Conference", rng.randrange(999))
    draft.triples[:], draft.about = again.triples, again.about
    [one] = draft.find(draft.about, "http://purl.org/dc/terms/description")
    one.object = english(rng.choice(SENTENCES[:6]))
    return Fault([one])


# ---- the document


def wrong_length(draft: Draft, rng: random.Random) -> Fault:
    """Count the document's code points wrongly."""
    one = _one(draft, DOCUMENT, "codePoints")
    _shift(one, rng.choice([-1, 1, 100]))
    return Fault([one])


def wrong_reference(draft: Draft, rng: random.Random) -> Fault:
    """Change one digit of the document's digest."""
    one = _one(draft, DOCUMENT, "referenceDigest")
    text = str(one.object.value)
    one.object = literal(text[:-1] + ("0" if text[-1] != "0" else "1"))
    return Fault([one])


def no_document(draft: Draft, rng: random.Random) -> Fault:
    """Leave out the new document."""
    _without(draft, DOCUMENT)
    return Fault([one for one in draft.triples if one.object == node(DOCUMENT)])


def author_as_text(draft: Draft, rng: random.Random) -> Fault:
    """Write the author's name as text."""
    one = _one(draft, DOCUMENT, "authoredBy")
    one.object = rng.choice([literal("A. Warden"), english("A. Warden")])
    assert isinstance(one.object, ox.Literal)
    return Fault([one])


def published_document(draft: Draft, rng: random.Random) -> Fault:
    """Describe a published document again."""
    one = Triple(BASE + "document/ipi-2024", LABEL, english("The other report"))
    draft.triples.insert(0, one)
    return Fault([one], [one.subject])


SLIPS: tuple[tuple[str, Spoil, str, tuple[str, ...]], ...] = (
    ("record incomplete", record_without("evidence"), "missing-value", EVERY),
    ("record incomplete", record_without("statedIn"), "missing-value", EVERY),
    ("record incomplete", record_without("epistemicStatus"), "missing-value", EVERY),
    ("record wrong", unknown_status, "unknown-concept", EVERY),
    ("record wrong", two_statuses, "too-many-values", EVERY),
    ("record wrong", two_documents, "too-many-values", EVERY),
    ("claim without record", unrecorded, "claim-without-record", WITH_GRAPHS),
    ("record without claim", empty_claim, "record-without-triples", WITH_GRAPHS),
    ("record without claim", other_number, "record-without-triples claim-without-record", WITH_GRAPHS),
    ("no such evidence", no_passage, "", EVERY),
    ("no such evidence", evidence_of_document, "wrong-class", EVERY),
    ("not the contributor's", published_claim, "not-yours", EVERY),
    ("not the contributor's", published_graph, "not-yours", WITH_GRAPHS),
    ("not the contributor's", published_passage, "not-yours", EVERY),
    ("not the contributor's", of_the_ontology, "not-yours", EVERY),
    ("not the contributor's", of_a_concept, "not-yours already-named", EVERY),
    ("not the contributor's", published_document, "not-yours already-named", EVERY),
    ("wrong graph", foreign_graph, "not-a-claim not-yours", WITH_GRAPHS),
    ("wrong graph", outside, "outside-claim", WITH_GRAPHS),
    ("wrong graph", named_inside, "named-in-claim misplaced-triple", WITH_GRAPHS),
    ("wrong graph", passage_inside, "misplaced-triple", WITH_GRAPHS),
    ("wrong graph", numbered_by_hand, "not-a-draft", WITH_GRAPHS),
    ("hedge as a fact", bare_hedge, "bare-hedge", EVERY),
    ("class as a fact", bare_type, "bare-type", WITH_GRAPHS),
    ("two claims without graphs", second_claim, "several-claims", ("turtle", "rdfxml")),
    ("passage not used", spare_passage, "unused-passage", EVERY),
    ("passage against copy", wrong_digest, "wrong-passage", EVERY),
    ("passage against copy", short_digest, "malformed-value", EVERY),
    ("passage against copy", wrong_count, "wrong-passage", EVERY),
    ("passage against copy", shifted, "wrong-passage", EVERY),
    ("passage against copy", exchanged, "reversed-values", EVERY),
    ("passage against copy", past_the_end, "long-passage wrong-passage", EVERY),
    ("passage against copy", too_long_a_passage, "long-passage wrong-passage", EVERY),
    ("passage against copy", five_words, "malformed-value", EVERY),
    ("passage against copy", other_first_words, "wrong-passage", EVERY),
    ("passage against copy", other_last_words, "wrong-passage", EVERY),
    ("passage against copy", not_in_the_copy, "wrong-passage unfound-passage", EVERY),
    ("passage incomplete", no_selector, "", EVERY),
    ("passage of another document", section_elsewhere, "other-document", EVERY),
    ("passage of another document", source_elsewhere, "other-document", EVERY),
    ("document's words", quoted, "repeats-document", EVERY),
    ("document's words", quoted_in_description, "repeats-document", EVERY),
    ("document wrong", wrong_length, "wrong-document", EVERY),
    ("document wrong", wrong_reference, "wrong-document", EVERY),
    ("document wrong", no_document, "", EVERY),
    ("document wrong", author_as_text, "text-for-thing", EVERY),
)
SHAPES = {
    "unrecorded": {"AssertionGraph", "AssertionGraph-record"},
    "empty_claim": {"Claim", "Claim-graph"},
    "other_number": {"AssertionGraph", "AssertionGraph-record", "Claim-graph"},
}


def of_receipts() -> Iterator[Slip]:
    """Yield each slip around a claim several times, the formats in turn."""
    leaves = load().leaves()
    for at, (kind, spoil, codes, formats) in enumerate(SLIPS):
        for nth in range(TIMES):
            rng = random.Random(f"receipts {at} {nth}")
            draft = make(rng.choice(leaves), 20000 + at * TIMES + nth)
            fault = spoil(draft, rng)
            shapes = frozenset(SHAPES.get(spoil.__name__, ()))
            form = formats[(at + nth) % len(formats)]
            yield spoilt(kind, form, draft, fault, codes=codes, shapes=shapes, note=spoil.__name__)
