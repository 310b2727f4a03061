"""Which column of a clinical table means what, told by its name.

Names are compared without case, accents are kept, and only letters and digits count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: Names of the patient column, best first: letters and digits only, lower case.
#: IDC clinical tables; DICOM and EUCAIM CDM; CHAIMELEON; Fed-BioMed; BIDS; usual Spanish, Portuguese, German, French.
PATIENT_COLUMNS: Final = (
    "dicompatientid",
    "patientid",
    "patient",
    "patientidentifier",
    "patientnumber",
    "patientno",
    "patid",
    "subjectid",
    "subject",
    "foldername",
    "participantid",
    "participant",
    "caseid",
    "case",
    "idpaciente",
    "pacienteid",
    "paciente",
    "codigopaciente",
    "patientennummer",
    "idpatient",
    "numpatient",
)
#: Names of columns that hold an id of something, taken where none of the above is there: a guess.
ID_COLUMNS: Final = (
    *("pseudonym", "pseudoid", "mrn", "pid", "identifier", "id", "code", "codigo", "kennung", "identifiant"),
)
#: Names of columns that hold a person's name, or a pseudonym under that name (CHAIMELEON's subjectName; DICOM's
#: PatientName): taken only where no id is there. English, Spanish, Portuguese, Catalan, Italian, German, French.
NAME_COLUMNS: Final = (
    *("subjectname", "patientname", "participantname", "patientfullname", "fullname", "name"),
    *("nombrepaciente", "nombredelpaciente", "nombrecompleto", "nombre", "nomepaciente", "nomedopaciente"),
    *("nomecompleto", "nome", "nompacient", "nomdelpacient", "nomepaziente", "nompatient", "nomdupatient", "nom"),
    *("patientenname", "nameundvorname", "nachname", "surname", "lastname", "familyname", "apellidos", "apellido"),
)
#: Names of the timepoint column. EUCAIM handbook ("Imaging Timepoint") and ETL FAQ ("Timepoint", "ImagingTimepoint",
#: any case); BIDS ("session_id").
TIMEPOINT_COLUMNS: Final = ("imagingtimepoint", "timepoint", "timepointid", "visit", "visitid", "session", "sessionid")
#: Names of the column that names an imaging study. EUCAIM handbook, timepoint table ("StudyUID"); ETL FAQ and
#: DICOM ("StudyInstanceUID").
STUDY_COLUMNS: Final = ("studyinstanceuid", "studyuid")
#: Names of the episode column. EUCAIM handbook, timepoint table, and CDM ("Episode").
EPISODE_COLUMNS: Final = ("episode", "episodeid", "episodenumber", "diseaseepisode")
#: Names of the column that holds the day of the whole row. BIDS ("acq_time" of sessions); OMOP and FHIR words for
#: visit and assessment. A date with the name of something else (date of birth, lab_test_date) is a value.
DATE_COLUMNS: Final = (
    *("date", "visitdate", "dateofvisit", "examdate", "examinationdate", "assessmentdate", "observationdate"),
    *("acqtime", "fecha", "datum"),
)
#: Names of the day of an imaging study, in a table of studies. EUCAIM handbook, timepoint table ("StudyDate").
STUDY_DATE_COLUMNS: Final = ("studydate", "dateofstudy", "imagingdate", *DATE_COLUMNS)
#: Those of them that name the study: beside a study's UID they make a table one of studies, without a timepoint too.
OF_STUDY_DATES: Final = ("studydate", "dateofstudy", "imagingdate")
#: The same of offsets, with the unit that the name states. Vocabulary (``study_offset_days``), CDM.
OF_STUDY_OFFSETS: Final = {
    "studyoffset": "",
    "studyoffsetfromdiagnosis": "",
    "studyoffsetfrombaseline": "",
    "studyoffsetdays": "days",
    "studyoffsetmonths": "months",
    "daystoimaging": "days",
    "daystostudy": "days",
    "procedureoffset": "",
    "procedureoffsetfromdiagnosis": "",
    "procedureoffsetdays": "days",
}
#: What a table of studies says of a study that its own headers say better. EUCAIM handbook, timepoint table.
STUDY_FACTS: Final = ("studydescription", "studytime", "studyid", "accessionnumber", "modality", "modalities")
#: Names of the column that holds the time since the node's zero, and the unit the name itself states. EUCAIM
#: handbook ("relative days from a baseline") and CDM (``study_offset_from_diagnosis``).
OFFSET_COLUMNS: Final = {
    "offset": "",
    "offsetfromdiagnosis": "",
    "offsetfrombaseline": "",
    "studyoffsetfromdiagnosis": "",
    "studyoffset": "",
    "timeoffset": "",
    "offsetdays": "days",
    "dayoffset": "days",
    "daysoffset": "days",
    "relativeday": "days",
    "relativedays": "days",
    "daysfrombaseline": "days",
    "daysfromdiagnosis": "days",
    "dayssincebaseline": "days",
    "dayssincediagnosis": "days",
    "daystoimaging": "days",
    "monthsfrombaseline": "months",
    "monthsfromdiagnosis": "months",
    "monthssincebaseline": "months",
    "monthssincediagnosis": "months",
}
#: Names of the column that holds the unit of that time. CDM (``study_offset_unit``).
OFFSET_UNIT_COLUMNS: Final = ("offsetunit", "studyoffsetunit", "offsetunits", "timeoffsetunit")
#: What a column's name has, beside the name of another, where it holds the day of that one: ``psa_date``.
DATE_PREFIXES: Final = ("dateof", "date", "fechade", "fecha", "datum", "datade")
DATE_SUFFIXES: Final = ("date", "datum", "fecha", "data")
#: Date that belongs to all markers of its row. CDM (``tumor_marker_test.tumor_marker_date``).
MARKER_DATES: Final = ("tumormarkerdate", "markerdate")
#: What the name of a variable is followed by in the name of its unit's column. CDM (``..._unit``).
UNIT_SUFFIXES: Final = ("unit", "units")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table means what; None where none does."""

    #: Patient; None only in a table of studies that names none.
    patient: int | None
    #: How the patient column was told, where that was a guess.
    guess: str = ""
    timepoint: int | None = None
    episode: int | None = None
    date: int | None = None
    offset: int | None = None
    offset_unit: int | None = None
    #: Unit that the name of the offset states.
    offset_words: str = ""
    #: Imaging study: the table says when studies were.
    study: int | None = None
    #: Centre.
    node: int | None = None
    #: Columns of values, and the column of each one's unit where there is one.
    variables: tuple[int, ...] = ()
    units: Mapping[int, int] = field(default_factory=dict)
    #: Its date and offset are of the study alone, and not of the values beside it.
    undated: bool = False
    #: Columns of values that are the days of others of the row.
    days: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[int, ...]:
        """Columns of which a table should have one row per content."""
        found = (self.patient, self.study, self.timepoint, self.episode, self.date, self.offset, *self.days)
        return tuple(column for column in found if column is not None)


def told(header: Sequence[str], *, id_column: str | None = None, node_column: str | None = None) -> Columns:
    """Which column means what.

    Parameters
    ----------
    header : sequence of str
        Names of the columns as spelt.
    id_column, node_column : str, optional
        The columns of the patient and of the centre, as the caller names them.

    Examples
    --------
    >>> found = told(["Patient ID", "visit", "psa", "psa_unit"])
    >>> found.patient, found.timepoint, found.variables, dict(found.units)
    (0, 1, (2,), {2: 3})
    """
    plain = [fold(name) for name in header]
    study = _first(plain, STUDY_COLUMNS)
    timepoint = _first(plain, TIMEPOINT_COLUMNS)
    offsets = OFFSET_COLUMNS
    if study is not None and timepoint is None:
        # Dates and offsets of the study itself; or of anything, where the table has nothing else to say.
        of_study = {*OF_STUDY_DATES, *OF_STUDY_OFFSETS}
        known = {*STUDY_DATE_COLUMNS, *OFFSET_COLUMNS, *OFFSET_UNIT_COLUMNS, *EPISODE_COLUMNS, *STUDY_FACTS}
        known |= {*STUDY_COLUMNS, *PATIENT_COLUMNS, *of_study}
        timed = any(name in plain for name in (*STUDY_DATE_COLUMNS, *OFFSET_COLUMNS))
        if not of_study & set(plain) and not (timed and set(plain) <= known):
            study = None
    if study is not None:
        offsets = {**OF_STUDY_OFFSETS, **OFFSET_COLUMNS}
    patient, guess = _patient(header, id_column, study is not None)
    node = asked(header, node_column)
    taken = {patient, node}

    def free(names: Sequence[str]) -> int | None:
        column = next((plain.index(name) for name in names if name in plain), None)
        return None if column in taken else column

    timepoint, episode = free(TIMEPOINT_COLUMNS), free(EPISODE_COLUMNS)
    date = free(DATE_COLUMNS if study is None else STUDY_DATE_COLUMNS)
    offset = free(tuple(offsets))
    offset_unit = free(OFFSET_UNIT_COLUMNS) if offset is not None else None
    facts = {i for i, name in enumerate(plain) if study is not None and name in STUDY_FACTS}
    roles = {patient, timepoint, episode, date, offset, offset_unit, study} | facts
    units = _units(plain, roles)
    variables = tuple(i for i in range(len(header)) if i not in roles and i not in units.values())
    if study is None and not variables:
        # Nothing but a date or an offset: then that is what the table has to say.
        episode = date = offset = offset_unit = None
        variables = tuple(i for i in range(len(header)) if i not in (patient, timepoint))
    return Columns(
        patient,
        guess,
        timepoint,
        episode,
        date,
        offset,
        offset_unit,
        "" if offset is None else offsets[plain[offset]],
        study,
        node,
        variables,
        units,
        study is not None and timepoint is None,
        tuple(i for i in variables if plain[i] in MARKER_DATES or base_of(plain[i]) in plain),
    )


def base_of(name: str) -> str:
    """The folded name of the column that a date is of, told by its own folded name; empty where it tells none.

    Examples
    --------
    >>> base_of("psadate"), base_of("dateofpsa"), base_of("psa")
    ('psa', 'psa', '')
    """
    for prefix in DATE_PREFIXES:
        if name.startswith(prefix) and name != prefix:
            return name.removeprefix(prefix)
    return next((name.removesuffix(end) for end in DATE_SUFFIXES if name.endswith(end)), "")


def fold(name: str) -> str:
    """Letters and digits of a name, without case.

    Examples
    --------
    >>> fold("Patient_ID (new)")
    'patientidnew'
    """
    return re.sub(r"[\W_]+", "", name).casefold()


def asked(header: Sequence[str], name: str | None) -> int | None:
    """The column that a caller names, in any spelling of its case and punctuation.

    Where the header had several rows, one of them is enough if no other column has it.
    """
    if name is None:
        return None
    if name in header:
        return list(header).index(name)
    column = _first([fold(column) for column in header], (fold(name),))
    if column is not None or not fold(name):
        return column
    holders = [i for i, of in enumerate(header) if "." in of and fold(name) in map(fold, of.split("."))]
    return holders[0] if len(holders) == 1 else None


def names_patient(header: Sequence[str]) -> bool:
    """Whether a column is named as the patient's."""
    return _named(header, PATIENT_COLUMNS) is not None


def _first(plain: Sequence[str], names: Sequence[str]) -> int | None:
    return next((list(plain).index(name) for name in names if name in plain), None)


def _named(header: Sequence[str], names: Sequence[str]) -> int | None:
    """The column with one of these names; where the header had several rows, the last of them may say it."""
    column = _first([fold(name) for name in header], names)
    if column is not None:
        return column
    last = [fold(name.rpartition(".")[2]) for name in header]
    return next((last.index(name) for name in names if last.count(name) == 1), None)


def _patient(header: Sequence[str], id_column: str | None, of_studies: bool) -> tuple[int | None, str]:
    """The patient column, and how it was told where that was a guess."""
    column = asked(header, id_column)
    if column is not None:
        return column, ""
    absent = "" if id_column is None else "the column asked for is not there: "
    column = _named(header, PATIENT_COLUMNS)
    if column is not None:
        return column, f"{absent}column {column + 1} was taken by its name" if absent else ""
    if of_studies:
        return None, ""
    column = _named(header, ID_COLUMNS)
    if column is not None:
        return column, f"{absent}column {column + 1} was taken: it is named like an id"
    column = _named(header, NAME_COLUMNS)
    if column is not None:
        why = "although it is named as one of names: no other is named like an id"
        return column, f"{absent}column {column + 1} was taken {why}"
    return 0, f"{absent}the first column was taken"


def _units(plain: Sequence[str], roles: set[int | None]) -> dict[int, int]:
    """Columns of variables -> columns of their units."""
    where = {name: i for i, name in enumerate(plain) if i not in roles}
    found: dict[int, int] = {}
    for name, column in where.items():
        for suffix in UNIT_SUFFIXES:
            of = where.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
            if of is not None and of != column and not any(name[: -len(suffix)].endswith(s) for s in UNIT_SUFFIXES):
                found[of] = column
    return found
