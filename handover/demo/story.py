"""The story that the demo plays, scene by scene. Each scene checks that what was answered is what the story says."""

from collections.abc import Callable, Mapping
from typing import Final

from handover.demo import answers, dossiers, emergencies, outsiders, oversight, region, retention, tampering
from handover.demo.play import Play

SCENES: Final[Mapping[str, Callable[[Play], None]]] = {
    "A register, three boards, four schools and a service, from nothing": region.prepare,
    "The school's system exports an OSO file": dossiers.read_the_file,
    "One guardian hasn't answered": answers.one_guardian_missing,
    "Something can't wait": emergencies.emergency,
    "The second grants all but the report": answers.all_but_the_report,
    "Others try": outsiders.others_try,
    "A corrected version replaces the first": dossiers.corrected_version,
    "A guardian withdraws": answers.withdrawal,
    "The receiver acknowledges": dossiers.acknowledgement,
    "The same dossier, from a board that chose `wettelijk`": answers.under_the_law,
    "The family reads who had what": oversight.family_looks,
    "The journal, verified offline and then edited": tampering.journal_verified,
    "The FG searches the log": oversight.examiner_searches,
    "The FG exports the log, and one character of it is changed": oversight.examiner_exports,
    "An older copy of the database put back": tampering.older_copy,
    "Both databases put back, so that the log forks": tampering.forked_log,
    "A month later: the sweep": retention.a_month_later,
    "The certificate of what was destroyed": retention.certificate,
    "Five years later: the pupil is erased, and the proofs hold": retention.five_years_later,
}
"""Title and scene, in the order of the story."""
