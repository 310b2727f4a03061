"""What a condition matches: image series, or patients by their clinical rows where a cohort has no images at all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workbench.cohort.database.database import Database

HAS_IMAGES: Final = "select count(*) from (select 1 from all_series where kind = 'image' limit 1)"
#: A condition is asked of each image series, beside the clinical row of its case.
_OF_SERIES: Final = """
create or replace temp table matched as
with asked as (
    select node, SeriesInstanceUID, patient_id, kind, ({condition}
        ) as condition_holds
    from series left join asked_clinical as clinical using (node, patient_id, timepoint))
select distinct node, SeriesInstanceUID, patient_id from asked
where kind = 'image' and condition_holds"""
#: A condition is asked of each clinical row of a patient; what would be of images is empty.
_OF_PATIENTS: Final = """
create or replace temp table drawn as
with asked as (
    select node, patient_id, ({condition}
        ) as condition_holds
    from (select * from asked_clinical semi join kept_patients using (node, patient_id)) as clinical
    left join series using (node, patient_id, timepoint))
select distinct node, patient_id from asked where condition_holds"""
#: Patients of tables alone who are no longer there.
_LEFT_OUT: Final = """
select distinct node, patient_id from all_described
anti join (select node, patient_id from all_series where kind = 'image') using (node, patient_id)
anti join kept_patients using (node, patient_id)"""


def matching(condition: str, *, of_images: bool) -> str:
    """Statement that makes the table of what a condition matches: ``matched`` series, or patients ``drawn``."""
    return (_OF_SERIES if of_images else _OF_PATIENTS).format(condition=condition)


def left_out(database: Database) -> Counter[str]:
    """Patients per node who have no images, so that no condition on images could keep them."""
    if not database.has_images():
        return Counter()
    return Counter(node for node, _ in database.rows(_LEFT_OUT))
