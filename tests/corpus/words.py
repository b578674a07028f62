"""Slips of the pen in names: terms, things, concepts, directions, names of new things."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pyoxigraph as ox

from tests.corpus.drafts import BASE, DRAFT, FORMATS, ID, LABEL, LAT, SKOS, TYPE, WITH_GRAPHS, Draft, Triple
from tests.corpus.good import english, literal, make, node
from tests.corpus.material import load, local
from tests.corpus.slips import Fault, Slip, Spoil, spoilt

TIMES = 8  # how often each slip is made, each in another contribution and the next format


def misspell(word: str, rng: random.Random) -> str:
    """Return a word with one slip of the finger."""
    at = rng.randrange(1, len(word) - 1)
    way = rng.randrange(3)
    if way == 0:
        return word[:at] + word[at + 1 :]
    if way == 1:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _misspelt(iri: str, rng: random.Random) -> str:
    name = local(iri)
    known = {*load().kinds, *load().supers} | {way for one in load().properties.values() for way in one.paths}
    while True:
        other = iri[: -len(name)] + misspell(name, rng)
        if other not in known and other != iri:
            return other


def _content(draft: Draft) -> list[Triple]:
    return [one for one in draft.triples if one.graph is not None]


def _pick(draft: Draft, rng: random.Random, base: str) -> Triple:
    """Return a triple of the claim whose object's IRI begins so; write one if there is none."""
    among = [
        one
        for one in _content(draft)
        if isinstance(one.object, ox.NamedNode) and one.object.value.startswith(base)
    ]
    among = [one for one in among if "-" in local(one.object.value) or len(local(one.object.value)) > 5]
    if among:
        return rng.choice(among)
    value = node(BASE + "concept/issue/small-states")
    if base == ID:
        assessment = LAT + "Assessment"
        draft.triples[:] = make(assessment, rng.randrange(999)).triples
        draft.about = next(one.subject for one in draft.triples if one.object == node(assessment))
        return draft.add(Triple(draft.about, LAT + "about", node(ID + "united-nations"), draft.claim))
    return draft.add(Triple(draft.about, LAT + "concernsIssue", value, draft.claim))


def misspelt_property(draft: Draft, rng: random.Random) -> Fault:
    """Write a property of a claim with a slip."""
    one = rng.choice([one for one in _content(draft) if one.predicate.startswith(LAT)])
    one.predicate = _misspelt(one.predicate, rng)
    return Fault([one])


def misspelt_record_property(draft: Draft, rng: random.Random) -> Fault:
    """Write a property of the record with a slip."""
    names = [LAT + "evidence", LAT + "statedIn", LAT + "epistemicStatus"]
    [one] = draft.find(draft.claim, rng.choice(names))
    one.predicate = _misspelt(one.predicate, rng)
    return Fault([one])


def property_in_capitals(draft: Draft, rng: random.Random) -> Fault:
    """Begin a property with a capital."""
    one = rng.choice([one for one in _content(draft) if one.predicate.startswith(LAT)])
    name = local(one.predicate)
    one.predicate = LAT + name[0].upper() + name[1:]
    return Fault([one])


def misspelt_class(draft: Draft, rng: random.Random) -> Fault:
    """Write the class of a new thing with a slip."""
    [one] = draft.find(draft.about, TYPE)
    one.object = node(_misspelt(str(one.object.value), rng))
    return Fault([one])


def misspelt_thing(draft: Draft, rng: random.Random) -> Fault:
    """Write a published thing with a slip."""
    one = _pick(draft, rng, ID)
    one.object = node(_misspelt(str(one.object.value), rng))
    return Fault([one])


def misspelt_concept(draft: Draft, rng: random.Random) -> Fault:
    """Write a concept with a slip."""
    one = _pick(draft, rng, BASE + "concept/")
    one.object = node(_misspelt(str(one.object.value), rng))
    return Fault([one])


def concept_of_another_scheme(draft: Draft, rng: random.Random) -> Fault:
    """Write a concept of a scheme that is not meant."""
    one = _pick(draft, rng, BASE + "concept/")
    wrong = "concept/role/chair" if "/issue/" in str(one.object) else "concept/issue/small-states"
    one.object = node(BASE + wrong)
    return Fault([one])


def misspelt_subject(draft: Draft, rng: random.Random) -> Fault:
    """Name the new thing otherwise in the claim than where it is made."""
    other = _misspelt(draft.about, rng)
    there = [one for one in _content(draft) if one.subject == draft.about]
    for one in there:
        one.subject = other
    return Fault([], [other, draft.about])


def foreign_class(draft: Draft, rng: random.Random) -> Fault:
    """Take the class from another vocabulary."""
    [one] = draft.find(draft.about, TYPE)
    one.object = node("https://schema.org/" + rng.choice(["Event", "Organization", "Person", "Thing"]))
    return Fault([one])


def foreign_property(draft: Draft, rng: random.Random) -> Fault:
    """Take a property from another vocabulary."""
    one = rng.choice(_content(draft))
    one.predicate = "https://schema.org/" + rng.choice(["about", "organizer", "startDate", "member"])
    return Fault([one])


def foreign_thing(draft: Draft, rng: random.Random) -> Fault:
    """Name a thing by an IRI of another site."""
    one = _pick(draft, rng, ID)
    one.object = node("http://www.wikidata.org/entity/Q" + str(rng.randrange(100, 999)))
    return Fault([one])


def text_for_thing(draft: Draft, rng: random.Random) -> Fault:
    """Write a name where the thing is expected."""
    one = _pick(draft, rng, ID)
    one.object = literal("United Nations") if rng.random() < 0.5 else english("United Nations")
    return Fault([one])


def class_for_concept(draft: Draft, rng: random.Random) -> Fault:
    """Write a class where a concept or a thing is expected."""
    one = _pick(draft, rng, BASE)
    one.object = node(LAT + rng.choice(["Mediation", "State", "Technique"]))
    return Fault([one])


def property_for_class(draft: Draft, rng: random.Random) -> Fault:
    """Write a property as the class of a thing."""
    [one] = draft.find(draft.about, TYPE)
    one.object = node(LAT + rng.choice(["hasMediator", "membershipIn", "chairedBy"]))
    return Fault([one])


def abstract_class(draft: Draft, rng: random.Random) -> Fault:
    """Write a class that only gathers others."""
    [one] = draft.find(draft.about, TYPE)
    tops = [
        "Actor",
        "Occurrence",
        "Instrument",
        "Organization",
        "Gathering",
        "InformationRecord",
        "Situation",
    ]
    one.object = node(LAT + rng.choice(tops))
    return Fault([one])


def class_left_out(draft: Draft, rng: random.Random) -> Fault:
    """Leave out the class of a new thing."""
    draft.triples.remove(draft.find(draft.about, TYPE)[0])
    return Fault([], [draft.about])


def wrong_way_round(draft: Draft, rng: random.Random) -> Fault:
    """Exchange subject and object."""
    kind, name, other = rng.choice(
        [
            ("Mediation", "hasMediator", "norway"),
            ("Membership", "membershipIn", "united-nations"),
            ("Tenure", "tenureHolder", "joel-ng"),
            ("Conference", "hostedBy", "singapore"),
            ("LifecycleEvent", "ofInstrument", "pact-for-the-future"),
            ("Recommendation", "addressedTo", "united-nations"),
        ]
    )
    again = make(LAT + kind, rng.randrange(999))
    draft.triples[:], draft.about = again.triples, again.about
    there = draft.find(draft.about, LAT + name)
    for one in there:
        draft.triples.remove(one)
    turned = draft.add(Triple(ID + other, LAT + name, node(draft.about), draft.claim))
    return Fault([turned])


def published_again(draft: Draft, rng: random.Random) -> Fault:
    """Name a published thing again."""
    thing = rng.choice(["norway", "qatar", "united-nations", "pact-for-the-future"])
    kind = sorted(load().kinds[ID + thing])[0]
    block = [
        Triple(ID + thing, TYPE, node(kind)),
        Triple(ID + thing, LABEL, english(thing.replace("-", " ").capitalize())),
    ]
    draft.triples[0:0] = block
    return Fault([block[1]], [ID + thing])


def published_of_another_class(draft: Draft, rng: random.Random) -> Fault:
    """Give a published thing another class, in the claim."""
    thing, kind = rng.choice([("norway", "Person"), ("joel-ng", "State"), ("united-nations", "Conference")])
    one = draft.add(Triple(ID + thing, TYPE, node(LAT + kind), draft.claim))
    two = draft.add(
        Triple(ID + thing, LAT + "concernsIssue", node(BASE + "concept/issue/small-states"), draft.claim)
    )
    return Fault([one, two])


def two_classes(draft: Draft, rng: random.Random) -> Fault:
    """Give a new thing two classes that share nothing."""
    one = draft.find(draft.about, TYPE)[0]
    other = LAT + ("State" if not draft.kind.endswith("State") else "Person")
    two = draft.add(Triple(draft.about, TYPE, node(other)))
    return Fault([one, two])


def name_taken(draft: Draft, rng: random.Random) -> Fault:
    """Make a new thing with the name of a published one of its class."""
    again = make(LAT + "State", rng.randrange(999))
    draft.triples[:], draft.about = again.triples, again.about
    [one] = draft.find(draft.about, LABEL)
    one.object = english(rng.choice(["Norway", "Qatar", "Singapore", "Malta"]))
    return Fault([one])


def slug_with_capitals(draft: Draft, rng: random.Random) -> Fault:
    """Name a new thing against the rules for slugs."""
    slug = rng.choice(["Lamp-Keepers", "lamp_keepers", "lampKeepers", "lamp--keepers-", "lamp.keepers"])
    other = ID + slug
    for one in draft.triples:
        if one.subject == draft.about:
            one.subject = other
    return Fault([], [other])


def blank_thing(draft: Draft, rng: random.Random) -> Fault:
    """Write a blank node for a thing."""
    one = _pick(draft, rng, ID)
    one.object = ox.BlankNode("lamps")
    return Fault([one])


def blank_subject(draft: Draft, rng: random.Random) -> Fault:
    """Make the new thing a blank node."""
    for one in draft.triples:
        if one.subject == draft.about:
            one.subject = "_:lamps"
    return Fault([], ["_:lamps"])


def not_spoken_of(draft: Draft, rng: random.Random) -> Fault:
    """Make a new thing that no claim speaks of."""
    block = [
        Triple(ID + "lamp-guild", TYPE, node(LAT + "NonGovernmentalOrganization")),
        Triple(ID + "lamp-guild", LABEL, english("Guild of the lamps")),
    ]
    draft.triples[0:0] = block
    return Fault([block[1]], [ID + "lamp-guild"])


def definition_for_description(draft: Draft, rng: random.Random) -> Fault:
    """Name a new thing with the property of a concept."""
    [one] = draft.find(draft.about, LABEL)
    one.predicate = SKOS + "prefLabel"
    return Fault([one], [draft.about])


def of_itself(draft: Draft, rng: random.Random) -> Fault:
    """Relate a thing to itself."""
    name, kind = rng.choice([("partOf", "Conference"), ("follows", "Conference"), ("targets", "Campaign")])
    again = make(LAT + kind, rng.randrange(999))
    draft.triples[:], draft.about = again.triples, again.about
    return Fault([draft.add(Triple(draft.about, LAT + name, node(draft.about), draft.claim))])


def both_sides(draft: Draft, rng: random.Random) -> Fault:
    """Let a mediator be a party."""
    again = make(LAT + "Mediation", rng.randrange(999))
    draft.triples[:], draft.about = again.triples, again.about
    for one in draft.find(draft.about, LAT + "hasDisputant"):
        draft.triples.remove(one)
    state = node(ID + rng.choice(["malta", "samoa", "norway"]))
    for one in draft.find(draft.about, LAT + "hasMediator"):
        draft.triples.remove(one)
    pair = [
        draft.add(Triple(draft.about, LAT + name, state, draft.claim))
        for name in ("hasMediator", "hasDisputant")
    ]
    return Fault(pair)


def round_about(draft: Draft, rng: random.Random) -> Fault:
    """Make a thing part of its own part."""
    again = make(LAT + "Meeting", rng.randrange(999))
    draft.triples[:], draft.about = again.triples, again.about
    part = ID + "lamp-meeting"
    draft.triples[0:0] = [
        Triple(part, TYPE, node(LAT + "Meeting")),
        Triple(part, LABEL, english("Meeting on the lamps")),
        Triple(part, "http://purl.org/dc/terms/description", english("A meeting made up.")),
    ]
    pair = [
        draft.add(Triple(draft.about, LAT + "partOf", node(part), draft.claim)),
        draft.add(Triple(part, LAT + "partOf", node(draft.about), draft.claim)),
    ]
    return Fault(pair)


def ends_before_start(draft: Draft, rng: random.Random) -> Fault:
    """Let something end before it starts."""
    again = make(LAT + rng.choice(["Membership", "Tenure", "Conference", "Project"]), rng.randrange(999))
    draft.triples[:], draft.about = again.triples, again.about
    for one in [one for one in draft.triples if local(one.predicate) in ("startDate", "endDate", "date")]:
        if one.subject == draft.about:
            draft.triples.remove(one)
    start, end = rng.choice([("2024", "2023"), ("2024-06", "2024-02")])
    kind = "gYear" if len(start) == 4 else "gYearMonth"
    pair = [
        draft.add(Triple(draft.about, LAT + "startDate", literal(start, kind=kind), draft.claim)),
        draft.add(Triple(draft.about, LAT + "endDate", literal(end, kind=kind), draft.claim)),
    ]
    return Fault(pair)


SLIPS: tuple[tuple[str, Spoil, str, tuple[str, ...]], ...] = (
    ("misspelt property", misspelt_property, "unknown-term", tuple(FORMATS)),
    ("misspelt property", misspelt_record_property, "unknown-term", tuple(FORMATS)),
    ("misspelt property", property_in_capitals, "unknown-term wrong-kind", tuple(FORMATS)),
    ("misspelt class", misspelt_class, "unknown-term", tuple(FORMATS)),
    ("misspelt thing", misspelt_thing, "unknown-entity", tuple(FORMATS)),
    ("misspelt thing", misspelt_subject, "unknown-entity unmentioned-entity", WITH_GRAPHS),
    ("misspelt concept", misspelt_concept, "unknown-concept", tuple(FORMATS)),
    ("concept of another scheme", concept_of_another_scheme, "wrong-class", tuple(FORMATS)),
    ("foreign vocabulary", foreign_class, "foreign-term", tuple(FORMATS)),
    ("foreign vocabulary", foreign_property, "foreign-term", tuple(FORMATS)),
    ("foreign vocabulary", foreign_thing, "unknown-entity wrong-class", tuple(FORMATS)),
    ("text for a thing", text_for_thing, "text-for-thing", tuple(FORMATS)),
    ("term of another kind", class_for_concept, "wrong-kind", tuple(FORMATS)),
    ("term of another kind", property_for_class, "wrong-kind", tuple(FORMATS)),
    ("abstract class", abstract_class, "abstract-class", tuple(FORMATS)),
    ("class left out", class_left_out, "", tuple(FORMATS)),
    ("wrong way round", wrong_way_round, "wrong-direction", tuple(FORMATS)),
    ("published thing named again", published_again, "already-named", tuple(FORMATS)),
    ("two classes", published_of_another_class, "disjoint-classes two-types", tuple(FORMATS)),
    ("two classes", two_classes, "disjoint-classes two-types", tuple(FORMATS)),
    ("name taken", name_taken, "same-name", tuple(FORMATS)),
    ("slug against the rules", slug_with_capitals, "malformed-slug", WITH_GRAPHS),
    ("blank node", blank_thing, "blank-node", tuple(FORMATS)),
    ("blank node", blank_subject, "blank-node", tuple(FORMATS)),
    ("thing not spoken of", not_spoken_of, "unmentioned-entity", tuple(FORMATS)),
    ("name by another property", definition_for_description, "", tuple(FORMATS)),
    ("related to itself", of_itself, "self-relation wrong-class", tuple(FORMATS)),
    ("both sides", both_sides, "opposed-roles", tuple(FORMATS)),
    ("part of its part", round_about, "cyclic-parts", tuple(FORMATS)),
    ("end before start", ends_before_start, "reversed-dates", tuple(FORMATS)),
)


def of_words() -> Iterator[Slip]:
    """Yield each slip of the pen several times, the formats in turn."""
    leaves = load().leaves()
    for at, (kind, spoil, codes, formats) in enumerate(SLIPS):
        for nth in range(TIMES):
            rng = random.Random(f"{spoil.__name__} {nth}")
            draft = make(rng.choice(leaves), 9000 + at * TIMES + nth)
            assert draft.claim == DRAFT + "1"
            fault = spoil(draft, rng)
            form = formats[(at + nth) % len(formats)]
            shapes = frozenset({"Entity-type"} if spoil is abstract_class else ())
            yield spoilt(kind, form, draft, fault, codes=codes, shapes=shapes, note=spoil.__name__)
