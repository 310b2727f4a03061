"""Which centre a patient is of, where a column of the clinical tables says so: one extract, several nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from workbench.errors import UsageError
from workbench.findings import Finding

#: More centres than any extract has: then the column is another one.
MAX_CENTRES: Final = 500


class Centres:
    """Collects what tables say of the centre of each patient.

    Examples
    --------
    >>> centres = Centres()
    >>> centres.add({"P1": {"RUMC"}, "P2": {"PCNN", "ZGT"}, "P3": {""}})
    >>> centres.nodes
    {'P1': 'RUMC'}
    """

    def __init__(self) -> None:
        self._of: dict[str, set[str]] = {}

    def add(self, nodes: Mapping[str, set[str]]) -> None:
        """Take in what one table says: patient -> centres.

        Raises
        ------
        UsageError
            More centres than there can be.
        """
        for patient, centres in nodes.items():
            self._of.setdefault(patient, set()).update(filter(None, centres))
        if len({centre for centres in self._of.values() for centre in centres}) > MAX_CENTRES:
            raise UsageError(
                f"node_column has more than {MAX_CENTRES} different values",
                remedy="name the column of the centre, not one of patients",
            )

    @property
    def nodes(self) -> dict[str, str]:
        """Patient -> centre, for those of one centre."""
        return {patient: min(centres) for patient, centres in self._of.items() if len(centres) == 1}

    def findings(self, column: str) -> Iterator[Finding]:
        """Patients of several centres, each named. Those of none are told where all patients are known."""
        for patient, centres in self._of.items():
            if len(centres) > 1:
                message = f"{len(centres)} different values of {column}: the patient stays with the extract's own node"
                yield Finding("centre-unclear", message, patient_id=patient, count=len(centres))
