"""
Contributions: taken, reviewed, published, corrected, retracted; durable at every step, with their history.

    journal     files that survive: a synced journal before the acknowledgement
    takeover    opening the folder: what a crash left is finished, damage is told of
    records     what is kept of a contribution; which step may follow which
    people      names, roles, tokens
    intake      what is sent with a step: refused, or kept as sent
    composing   the file of an accepted contribution, its history in PROV
    publishing  changed files are checked and published, all or none
    life        the steps: submit, send back, accept, reject, withdraw, correct, retract
    review      what would change: claims, inferences, answers
    wording     triples as sentences

Nothing here knows of SHACL or of HTTP: a verdict comes in, a version comes out.
"""

from kg.contributions.intake import Judged
from kg.contributions.life import Contributions
from kg.contributions.people import CONTRIBUTOR, REVIEWER, ROLES, Person, Tokens, check_name, person_iri
from kg.contributions.records import STATES, STEPS, Contribution, Event, Revision
from kg.contributions.review import AnswerChange, Preview, preview
from kg.contributions.wording import ClaimInWords

__all__ = [
    "CONTRIBUTOR",
    "REVIEWER",
    "ROLES",
    "STATES",
    "STEPS",
    "AnswerChange",
    "ClaimInWords",
    "Contribution",
    "Contributions",
    "Event",
    "Judged",
    "Person",
    "Preview",
    "Revision",
    "Tokens",
    "check_name",
    "person_iri",
    "preview",
]
