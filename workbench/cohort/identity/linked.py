"""Patients that must not be told apart: the same person by a linkage table, or the same study, series or instance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workbench.cohort.database.database import Database

#: A patient: node and pseudonym.
Patient = tuple[str, str]

#: Queries whose rows list the patients that have something in common.
_SHARED: Final = (
    """select list(distinct [node, patient_id]) as who from all_series where StudyInstanceUID <> ''
    group by StudyInstanceUID having len(who) > 1""",
    """select list(distinct [node, patient_id]) as who from all_series where SeriesInstanceUID <> ''
    group by SeriesInstanceUID having len(who) > 1""",
    """select list(distinct [s.node, s.patient_id]) as who
    from all_instances i join all_series s using (node, SeriesInstanceUID)
    where i.SOPInstanceUID in (
        select SOPInstanceUID from all_instances where SOPInstanceUID <> '' group by all having count(*) > 1)
    group by i.SOPInstanceUID having len(who) > 1""",
)
_PERSONS: Final = """
select list(distinct [node, patient_id]) as who from patients where person_id is not null and person_id <> ''
group by person_id having len(who) > 1"""


def linked(database: Database) -> tuple[tuple[Patient, ...], ...]:
    """Groups of two or more patients of all extracts that are one person or share images, sorted.

    One person is who has the same ``person_id``, where a linkage table gave one.
    """
    queries = [*_SHARED, *([_PERSONS] if "person_id" in database.columns("patients") else [])]
    shared = (
        [(str(node), str(patient)) for node, patient in who] for query in queries for (who,) in database.rows(query)
    )
    return groups(shared)


def groups(shared: Iterable[Iterable[Patient]]) -> tuple[tuple[Patient, ...], ...]:
    """Sets of patients that hang together, from lists of those that have something in common.

    Examples
    --------
    >>> a, b, c, d = ("north", "1"), ("north", "2"), ("south", "1"), ("south", "2")
    >>> groups([[a, b], [b, d]])
    ((('north', '1'), ('north', '2'), ('south', '2')),)
    """
    leader: dict[Patient, Patient] = {}

    def first(patient: Patient) -> Patient:
        while (above := leader.setdefault(patient, patient)) != patient:
            leader[patient] = leader[above]
            patient = above
        return patient

    for several in shared:
        heads = sorted({first(patient) for patient in several})
        for head in heads[1:]:
            leader[head] = heads[0]
    members: dict[Patient, list[Patient]] = {}
    for patient in list(leader):
        members.setdefault(first(patient), []).append(patient)
    return tuple(sorted(tuple(sorted(several)) for several in members.values() if len(several) > 1))
