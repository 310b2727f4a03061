"""Values that follow from two others of a patient: the age at diagnosis from birth date and date of diagnosis."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import numpy as np
import pyarrow as pa

from workbench.cohort.clinical.columns import encoded
from workbench.cohort.clinical.rules.dates import years_between
from workbench.cohort.clinical.rules.numbers import written
from workbench.cohort.clinical.values import Value
from workbench.findings import Finding

#: Variables looked at.
_ASKED: Final = ("birth_date", "date_of_diagnosis", "age_at_diagnosis")


class Derived:
    """Gathers dates as batches stream by. Holds a birth date and a day per patient, and only of extracts with them."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, tuple[str, str, str]]] = defaultdict(dict)
        self._exact = 0
        self._place = ("", 0)

    def look(self, batch: pa.RecordBatch) -> None:
        """Take notice of the values of one batch; of an extract with birth dates."""
        at, names = encoded(batch["variable"])
        wanted = np.array([name in _ASKED for name in names], bool)
        if not wanted.any():
            return
        some = batch.take(pa.array(np.flatnonzero(wanted[at])))
        columns = ("patient_id", "variable", "value", "table", "file", "row")
        for cells in zip(*(some[name].to_pylist() for name in columns), strict=True):
            patient, name, value, table, file, row = cells
            if value is None:
                continue
            self._seen[patient].setdefault(name, (value, table, file))
            if name == "birth_date" and len(value) > 4:
                self._exact += 1
                self._place = self._place if self._exact > 1 else (file, row)

    def values(self) -> list[Value]:
        """Age at diagnosis of patients with a birth date, a date of diagnosis and no age stated."""
        found = []
        for patient, seen in self._seen.items():
            if "birth_date" not in seen or "date_of_diagnosis" not in seen or "age_at_diagnosis" in seen:
                continue
            birth, (day, table, file) = seen["birth_date"][0], seen["date_of_diagnosis"]
            years = years_between(birth, day)
            if years is not None:
                rule = "derived from birth_date and date_of_diagnosis"
                value = Value(
                    patient, "", "age_at_diagnosis", written(round(years, 1)), "a", "", "", "", table, file, 0, rule
                )
                found.append(value)
        return found

    def findings(self) -> list[Finding]:
        """Birth dates more exact than a year."""
        if not self._exact:
            return []
        file, row = self._place
        return [Finding("birth-date-exact", f"first in row {row}" if row else "", path=file, count=self._exact)]
