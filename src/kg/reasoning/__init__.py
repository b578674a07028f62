"""
Reasoning: what the ontology lets the graph say beyond what was written, and the referees who check that.

    rules       a rule is one SPARQL CONSTRUCT; run rules to their fixpoint; explain what they inferred
    compilation the axioms of the ontology as rules, and an error for each axiom that no rule can carry
    dates       lat:earliest and lat:latest from dates as given
    referees    HermiT, Pellet, rustdl, pyHermiT: outside reasoners that tests hold the rules to
"""

from kg.reasoning.compilation import compile_rules
from kg.reasoning.dates import bounds_of, date_bounds
from kg.reasoning.referees import (
    Report,
    dl_view,
    hermit_report,
    pellet_report,
    profile_problems,
    rustdl_report,
)
from kg.reasoning.rules import Derivation, Pattern, Rule, explain, infer, load_rules

__all__ = [
    "Derivation",
    "Pattern",
    "Report",
    "Rule",
    "bounds_of",
    "compile_rules",
    "date_bounds",
    "dl_view",
    "explain",
    "hermit_report",
    "infer",
    "load_rules",
    "pellet_report",
    "profile_problems",
    "rustdl_report",
]
