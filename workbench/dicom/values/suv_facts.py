"""The facts an uptake value needs, one value per part; what is missing or contradicts itself is collected and told."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from workbench.dicom.values.stated import distinct, values
from workbench.errors import SuvUnavailable


class SuvFacts:
    """Reads the facts of one part and remembers what stands in the way.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows of one PET part.

    Examples
    --------
    >>> facts = SuvFacts(pa.table({"PatientWeight": [70.0, 70.0]}))
    >>> facts.number("PatientWeight"), facts.number("RadionuclideTotalDose"), facts.missing
    (70.0, nan, ['RadionuclideTotalDose'])
    """

    def __init__(self, part: pa.Table) -> None:
        self.part = part
        #: Names of facts that are absent in some or all images.
        self.missing: list[str] = []
        #: What stands in the way, in words.
        self.reasons: list[str] = []
        self._tag: str | None = None

    def text(self, name: str) -> str:
        """The one text of a column; empty, and remembered, where it is missing or differs."""
        value = self._one(name)
        return "" if value is None else str(value).strip()

    def number(self, name: str) -> float:
        """The one number of a column; NaN, and remembered, where it is missing or differs."""
        value = self._one(name)
        return math.nan if value is None else float(value)

    def optional(self, name: str) -> str:
        """The one text of a column, or empty text where no image has it; remembered where images differ."""
        return self.text(name) if any(not _absent(value) for value in distinct(self.part, name)) else ""

    def lacks(self, name: str, count: int | None = None) -> None:
        """Remember that a fact is missing in *count* images, or all."""
        n = self.part.num_rows
        if name not in self.missing:
            self.missing.append(name)
            self.reasons.append(f"{name} missing in {n if count is None else count} of {n} images")

    def refuses(self, reason: str, *, tag: str | None = None) -> None:
        """Remember a reason other than a missing fact."""
        self.reasons.append(reason)
        self._tag = self._tag or tag

    def settle(self) -> None:
        """Go on where nothing stands in the way.

        Raises
        ------
        SuvUnavailable
            With every reason so far, and the names of what is missing.
        """
        if self.reasons:
            raise self.error()

    def error(self) -> SuvUnavailable:
        """The error that gives every reason so far, and the names of what is missing."""
        return SuvUnavailable(
            f"SUV not available: {'; '.join(self.reasons)}",
            missing=tuple(self.missing),
            tag=self._tag or (self.missing[0] if self.missing else None),
            remedy="ask the node, or open with values='physical'",
        )

    def _one(self, name: str) -> Any:
        found = distinct(self.part, name)
        stated = [value for value in found if not _absent(value)]
        if len(stated) < len(found):
            self.lacks(name, sum(_absent(value) for value in values(self.part, name)))
            return None
        if len(stated) > 1:
            self.refuses(f"{name} differs between images", tag=name)
            return None
        return stated[0]


def _absent(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, float) and math.isnan(value))
    )
