"""Parts of the image series of a cohort, one after another: what can be loaded as one array."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort

_QUERY = """
    select s.node, s.patient_id, s.timepoint, s.SeriesInstanceUID, coalesce(p.part, 1),
        s.Modality
    from series s left join parts p using (node, SeriesInstanceUID) where s.kind = 'image'
    order by s.node, s.patient_id, s.StudyDate, s.SeriesNumber, s.SeriesInstanceUID, p.part"""


@dataclass(frozen=True)
class Part:
    """A part of an image series; most series have one."""

    #: Name of the node.
    node: str
    #: Pseudonym at the node.
    patient_id: str
    #: Label of the timepoint.
    timepoint: str | None
    #: SeriesInstanceUID.
    series_uid: str
    #: Number of the part, from 1; 1 is the largest.
    part: int
    #: Modality.
    modality: str | None


def image_parts(cohort: Cohort) -> list[Part]:
    """Every part of every image series of a cohort, in the order of its tables."""
    return [Part(*row) for row in cohort._database.rows(_QUERY)]


def counted(series: Iterable[tuple[str, str]]) -> str:
    """What is counted where each part stands for itself: ``series``, or ``parts of series`` where one has several.

    Parameters
    ----------
    series : iterable of (str, str)
        Node and SeriesInstanceUID of each part.

    Examples
    --------
    >>> counted([("north", "1.2"), ("north", "1.3")]), counted([("north", "1.2"), ("north", "1.2")])
    ('series', 'parts of series')
    """
    every = list(series)
    return "series" if len(set(every)) == len(every) else "parts of series"
