"""SQL of the checks that the cohort's tables answer: one row per unit, whether it passes, and what to call it.

Three tables are laid out once: the header table, a row per file, is read a single time.
"""

from __future__ import annotations

from typing import Final

from workbench.cohort.clinical.deciding import SILENT
from workbench.cohort.database.working import quoted
from workbench.cohort.minimum.profile import Check

_SILENT: Final = ", ".join(quoted(rule) for rule in sorted(SILENT))
_STATED: Final = f"rule not in ({_SILENT})"


def is_day(column: str) -> str:
    """Condition: a column of DICOM dates holds a day of the calendar (PS3.5 6.2: YYYYMMDD)."""
    text = f"trim(coalesce({column}, ''))"
    return f"(regexp_full_match({text}, '[0-9]{{8}}') and try_strptime({text}, '%Y%m%d') is not null)"


#: Conditions on a header column {of}; a patient whose age at diagnosis is known is ``aged``.
_HEADER: Final = {
    "text": "trim(coalesce(i.\"{of}\", '')) <> ''",
    "date": is_day('i."{of}"'),
    # PS3.5 6.2, AS.
    "age": "regexp_full_match(trim(coalesce(i.\"{of}\", '')), '[0-9]{3}[DWMY]') "
    f"or (p.aged and {is_day('i.AcquisitionDate')})",
}
_VALUES: Final = f"""
create or replace temp table checked_values as
select node, patient_id, variable, value, raw_value, unit, code_system, offset_days, "table" <> 'DICOM header' as stated
from "values" where offset_days is not null or (value is not null and {_STATED} and variable in ({{names}}))"""
_PATIENTS: Final = """
create or replace temp table checked_patients as
with facts as (
    select node, patient_id,
        bool_or(variable = 'population' and value in ('control', 'negative screening')) as control,
        bool_or(variable = 'age_at_diagnosis' and stated) as aged
    from checked_values group by all)
select p.node, p.patient_id, p.n_images, p.has_clinical,
    coalesce(f.control, false) as control, coalesce(f.aged, false) as aged
from patients p left join facts f using (node, patient_id)"""
_SERIES: Final = f"""
create or replace temp table checked_series as
with heads as (
    select node, SeriesInstanceUID, min(i.path) as file,
        list(distinct i.AcquisitionDate) || list(distinct i.StudyDate) || list(distinct i.SeriesDate) as days,
        bool_and(trim(coalesce(i.PatientID, '')) in ('', s.patient_id)) as one_id,
        {{headers}}
    from instances i join series s using (node, SeriesInstanceUID)
    left join checked_patients p on p.node = s.node and p.patient_id = s.patient_id
    group by all)
select s.node, s.patient_id, s.StudyInstanceUID, s.SeriesInstanceUID, s.kind, s.resource, s.path, s.offset_days,
    list_filter(list_distinct(coalesce(h.days, []) || [s.StudyDate]), lambda day: {is_day("day")}) as days,
    h.* exclude (node, SeriesInstanceUID, days)
from series s left join heads h on h.node = s.node and h.SeriesInstanceUID = s.SeriesInstanceUID"""


def layout(checks: tuple[Check, ...]) -> list[str]:
    """Statements that lay out the tables which the questions below are asked of."""
    names = {name for check in checks if check.how == "clinical" for name in check.of.split("|")}
    wanted = ", ".join(quoted(name) for name in sorted(names | {"study_offset_days", "procedure_offset_days"}))
    headers = ", ".join(
        f'bool_and({_HEADER[check.accepts].replace("{of}", check.of)}) as "{check.id}"'
        for check in checks
        if check.how == "header"
    )
    return [_VALUES.replace("{names}", wanted), _PATIENTS, _SERIES.replace("{headers}", headers)]


def header(check: Check) -> str:
    """Image series of DICOM files, all of whose images hold an element."""
    return f"""
        select node, patient_id, coalesce("{check.id}", false) as ok, path as example
        from checked_series where kind = 'image' and resource = 'DICOM'"""


#: What a row of ``checked_values`` must be beside stated and understood.
_VALUE: Final = {
    "coded": "true",
    "date": "true",
    "screened": "true",
    "number": "try_cast(value as double) is not null",
    "years": "unit = 'a' and try_cast(value as double) between 0 and 120 "
    "and (regexp_matches(raw_value, '[0-9][.,][0-9]') or try_cast(value as double) % 1 <> 0)",
    "icd-o-3": "code_system = 'ICD-O-3'",
}
_WHO: Final = {"patient": "true", "patient with cancer": "not p.control", "control": "p.control"}


def clinical(check: Check) -> str:
    """Patients of a group for whom one of some variables is stated; a header's word counts for controls alone."""
    names = ", ".join(quoted(name) for name in check.of.split("|"))
    source = "true" if check.unit == "control" else "stated"
    imaged = "union select node, patient_id from checked_series where kind = 'image' and len(days) > 0"
    return f"""
        with told as (
            select node, patient_id from checked_values
            where variable in ({names}) and value is not null and {source} and ({_VALUE[check.accepts]})
            {imaged if check.accepts == "screened" else ""}),
        those as (select distinct node, patient_id from told)
        select p.node, p.patient_id, t.node is not null as ok, p.patient_id as example
        from checked_patients p left join those t on t.node = p.node and t.patient_id = p.patient_id
        where {_WHO[check.unit]}"""


#: One spelling: equal but for case, spaces and marks between letters is the same pseudonym spelt differently.
LINK: Final = r"""
    with spelt as (
        select node, patient_id,
            regexp_replace(lower(trim(nfc_normalize(patient_id))), '[\s_.-]+', '-', 'g') as folded
        from checked_patients),
    alike as (select node, folded, count(*) as n from spelt group by all),
    headers as (select node, patient_id, bool_and(one_id) as same from checked_series group by all)
    select p.node, p.patient_id,
        p.n_images > 0 and p.has_clinical and a.n = 1 and coalesce(h.same, true) as ok, p.patient_id as example
    from checked_patients p join spelt using (node, patient_id) join alike a using (node, folded)
    left join headers h on h.node = p.node and h.patient_id = p.patient_id"""

DUPLICATES: Final = """
    with studies_of as (
        select node, patient_id, StudyInstanceUID, min(path) as path from checked_series
        where coalesce(StudyInstanceUID, '') <> '' group by all),
    study as (
        select *, count(*) over (partition by StudyInstanceUID) > 1 as twice from studies_of),
    stored_twice as (
        select distinct node, series_uid from findings
        where code in ('duplicate-instance', 'conflicting-instance') and series_uid <> '')
    select p.node, p.patient_id, not coalesce(bool_or(s.twice), false) as ok, p.patient_id as example
    from checked_patients p left join study s on s.node = p.node and s.patient_id = p.patient_id
    group by p.node, p.patient_id
    union all
    select node, patient_id, not twice, path from study
    union all
    select s.node, s.patient_id,
        count(*) over (partition by s.SeriesInstanceUID) = 1 and t.series_uid is null, s.path
    from checked_series s left join stored_twice t on t.node = s.node and t.series_uid = s.SeriesInstanceUID"""

FORMATS: Final = """
    select node, patient_id, resource = 'DICOM' and kind <> 'structure-set' as ok, path as example
    from checked_series where kind in ('image', 'segmentation', 'structure-set')"""

#: Days of images: what the rule of altered dates looks at.
_DAYS: Final = """
    days as (
        select node, patient_id, unnest(days) as day from checked_series where kind = 'image'),
    first_days as (select node from days group by node having bool_and(day like '%01'))"""

#: Nodes whose every day is the first of a month.
FIRST_DAYS: Final = f"with {_DAYS} select node from first_days"

#: Patients whose dates are absent, stand on day 01 at the whole node, or are marked as altered in the studies given
#: as two lists of nodes and UIDs; and whether days since a baseline are known.
OFFSETS: Final = f"""
    with {_DAYS},
    marked as (select unnest(?::varchar[]) as node, unnest(?::varchar[]) as StudyInstanceUID),
    concerned as (
        select s.node, s.patient_id from checked_series s where s.kind = 'image'
        and (not exists (select 1 from days d where d.node = s.node and d.patient_id = s.patient_id)
            or s.node in (select node from first_days)
            or exists (select 1 from marked m where m.node = s.node and m.StudyInstanceUID = s.StudyInstanceUID))
        group by all),
    known as (
        select node, patient_id from checked_series where offset_days is not null
        union
        select node, patient_id from checked_values
        where offset_days is not null or variable in ('study_offset_days', 'procedure_offset_days'))
    select c.node, c.patient_id, k.patient_id is not null as ok, c.patient_id as example
    from concerned c left join known k on k.node = c.node and k.patient_id = c.patient_id"""

#: One file of every study of images, for what only files tell.
ONE_FILE: Final = """
    select node, StudyInstanceUID, min(file) from checked_series
    where kind = 'image' and file is not null group by all order by all"""

#: Every file of a segmentation.
SEGMENTATIONS: Final = """
    select s.node, s.patient_id, i.path from series s join instances i using (node, SeriesInstanceUID)
    where s.kind = 'segmentation' and s.resource = 'DICOM' order by all"""

NIFTI: Final = """
    select s.node, s.patient_id, s.path, p.aged
    from checked_series s join checked_patients p on p.node = s.node and p.patient_id = s.patient_id
    where s.kind = 'image' and s.resource = 'NIFTI' order by all"""

ANNOTATED: Final = """
    select distinct node from checked_series where kind in ('segmentation', 'structure-set') order by 1"""
