"""SQL of the tables with a row per case: a patient at one imaging timepoint.

A clinical value with a timepoint belongs to the case of that timepoint. One without belongs to every case of the
patient, and so do facts that time does not change (:data:`OF_PATIENT`), whenever they were written down.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from workbench.cohort.clinical.rules.read import UNMAPPED
from workbench.cohort.vocabulary.tables import variables

#: Variables that are of the patient and of no day, whichever row of a table they stand in.
OF_PATIENT: Final = (
    "sex", "gender", "birth_date", "population", "age_at_diagnosis", "year_of_diagnosis", "date_of_diagnosis",
    "date_of_radiology_detection", "date_of_baseline", "diagnosis", "no_previous_cancer", "date_of_first_treatment",
    "months_diagnosis_to_treatment", "vital_status", "survival_months", "date_of_last_contact", "cause_of_death",
)  # fmt: skip

#: A timepoint in one spelling, as :func:`workbench.cohort.tables.times.label` writes it.
LABEL: Final = r"regexp_replace(trim(timepoint), '^0*([0-9]+)(\.0+)?$', '\1')"

CASES: Final = """
create view cases as
with imaged as (
    select node, patient_id, timepoint,
        string_agg(distinct timepoint_rule, ', ' order by timepoint_rule) filter (kind = 'image') as rule,
        try_cast(min("date") filter (kind = 'image') as date) as "date",
        min(offset_days) filter (kind = 'image') as offset_days,
        min(nullif(StudyTime, '')) filter (kind = 'image') as at,
        coalesce(string_agg(distinct nullif(episode, ''), ', ' order by nullif(episode, '')), '') as episode,
        coalesce(string_agg(distinct Modality, ', ' order by Modality) filter (kind = 'image'), '') as modalities,
        count(distinct StudyInstanceUID) as n_studies,
        count(*) filter (kind = 'image') as n_series,
        count(*) filter (kind in ('segmentation', 'structure-set')) as n_labels
    from series where timepoint <> '' group by node, patient_id, timepoint
    having count(*) filter (kind = 'image') > 0),
described as (
    select node, patient_id, timepoint, true as stated from all_described
    semi join kept_patients using (node, patient_id) where stated),
-- A timepoint whose images a selection left out is no case of it.
elsewhere as (
    select distinct node, patient_id, timepoint from described where timepoint <> ''
    except select node, patient_id, timepoint from all_series),
bare as (
    select node, patient_id from kept_patients
    except select node, patient_id from imaged
    except select node, patient_id from elsewhere),
every as (
    select * from imaged
    union all by name
    select node, patient_id, timepoint, 'clinical table' as rule from elsewhere
    union all by name
    select node, patient_id, '' as timepoint, 'no image' as rule from bare)
select e.node, e.patient_id, e.timepoint,
    row_number() over (partition by e.node, e.patient_id order by e.n_series is null, e.offset_days, e."date", e.at,
        try_cast(e.timepoint as bigint), e.timepoint) as number,
    e.rule, e."date", e.offset_days, e.episode, coalesce(e.modalities, '') as modalities,
    coalesce(e.n_studies, 0) as n_studies, coalesce(e.n_series, 0) as n_series, coalesce(e.n_labels, 0) as n_labels,
    concat_ws(' and ', case when own.stated and e.timepoint <> '' then 'timepoint' end,
        case when p.stated then 'patient' end) as clinical
from every e
left join described own on own.node = e.node and own.patient_id = e.patient_id and own.timepoint = e.timepoint
left join described p on p.node = e.node and p.patient_id = e.patient_id and p.timepoint = ''
order by e.node, e.patient_id, number
"""


#: Variables of the vocabulary that tell of images or are keys: ``series`` and ``cases`` have them from the headers and
#: the layout, so that a table's word for them stays in ``values`` and no condition is ambiguous.
OF_IMAGES: Final = frozenset(
    (
        "node", "dataset_id", "patient_id", "episode", "imaging_timepoint", "study_instance_uid", "series_instance_uid",
        "study_date", "acquisition_date", "modality", "body_part", "manufacturer", "manufacturer_model",
        "series_description", "series_number", "slice_thickness", "segment_number", "segment_label",
        "segment_description", "segment_algorithm_type", "segment_algorithm_name",
    )
)  # fmt: skip


def clinical_view(present: Collection[str]) -> str:
    """SQL of the view ``clinical``: one row per case, one column per harmonised variable among *present*.

    A value that could be read goes before a word that nobody knows, the case's own row before one without timepoint, a
    table's word before the header's, what is stated before what follows from something else; of several rows the first
    one listed stands.
    """
    columns = []
    shown = [v for v in variables().values() if v.name in present and v.name not in OF_IMAGES]
    for variable in shown:
        pick = f"arg_min(value, nearness) filter (variable = '{variable.name}')"
        if variable.type == "boolean":
            pick = f"try_cast({pick} as boolean)"
        if variable.type == "number":
            pick = f"try_cast({pick} as double)"
        columns.append(f'{pick} as "{variable.name}"')
    picked = "".join(f", {column}" for column in columns)
    of_patient = ", ".join(f"'{name}'" for name in OF_PATIENT)
    # Asked for, so that the cells of columns that nobody knows are not even read.
    asked = ", ".join(f"'{variable.name}'" for variable in shown) or "''"
    return f"""
        create view clinical as
        with near as (
            select c.node, c.patient_id, c.timepoint, c.number, v.variable, v.value,
                (v.rule = '{UNMAPPED}', case v.timepoint when c.timepoint then 0 when '' then 1 else 2 end,
                    v."table" = 'DICOM header', v.rule like 'derived%', v.file, v.row) as nearness
            from cases c left join "values" v on v.node = c.node and v.patient_id = c.patient_id
                and v.value is not null and v.variable in ({asked})
                and (v.timepoint in ('', c.timepoint) or v.variable in ({of_patient})))
        select node, patient_id, timepoint{picked}
        from near group by node, patient_id, timepoint, number order by node, patient_id, number"""
