"""What is odd in the headers of an archive, and what the catalogue makes of it: a table."""

from __future__ import annotations

from typing import Final

#: Column -> what, the condition that finds it, what was made of it. Those of other catalogues are passed over.
DIRT: Final = (
    ("PatientAge", "missing", "PatientAge is null", "no age"),
    ("PatientAge", "no unit", "age_note = 'no unit: taken for years'", "taken for years"),
    ("PatientAge", "not an age", "age_note = 'not an age'", "no age"),
    ("PatientAge", "beyond 120 years", "age_note = 'beyond 120 years'", "no age"),
    ("PatientAge", "zero", "age_note = 'zero'", "0 years, which may stand for not known"),
    ("PatientSex", "missing", "PatientSex is null", "no sex"),
    ("PatientSex", "not M, F or O", "sex = 'unknown'", "unknown"),
    ("Manufacturer", "missing", "Manufacturer is null", "no maker"),
    ("Manufacturer", "other spellings of a known maker", "maker is not null and maker <> Manufacturer", "one name"),
    ("Manufacturer", "names no maker", "Manufacturer is not null and maker is null", "no maker"),
    ("BodyPartExamined", "missing", "BodyPartExamined is null", "no part; none is guessed from descriptions"),
    (
        "BodyPartExamined",
        "in no table",
        "BodyPartExamined is not null and len(body_parts) = 0",
        "no part; the text stays",
    ),
    ("TransferSyntaxUID", "several in one series", "len(transfer_syntaxes) > 1", "a list"),
    ("StudyDate", "missing", "StudyDate is null or StudyDate = ''", "no date"),
)
