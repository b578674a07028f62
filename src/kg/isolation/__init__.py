"""
Isolation: validation of what strangers send, in processes of their own.

    profiles   what is sent → a report: as a contribution, or as plain SHACL
    jobs       one validation as bytes: what is sent to a process and what comes back
    parent     the process that has the published version loaded and forks one process for each validation
    validator  the service's end: places, a queue, a deadline, an end for what nobody waits for

A child is bounded in memory and processor time, has no network and writes no file. Its parent ends it when
the service closes its channel: at the deadline, when the client has gone, or when the service itself is gone.
"""

from __future__ import annotations

from kg.isolation.jobs import ALIASES, MEDIA_TYPES, XLSX, Answer, Job, Sent
from kg.isolation.profiles import PROFILES, report_on
from kg.isolation.validator import Validator

__all__ = ["ALIASES", "MEDIA_TYPES", "PROFILES", "XLSX", "Answer", "Job", "Sent", "Validator", "report_on"]
