"""One case of a cohort -> its rows: what was asked of it, and how it is measured."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from workbench import __version__
from workbench.errors import WorkbenchError
from workbench.measure.cohort_cases import Case

if TYPE_CHECKING:
    import xarray as xr

    from workbench.cohort import Cohort
    from workbench.labels.choosing import Select
    from workbench.labels.names import Names
    from workbench.measure.settings import Settings

#: Raised by one whenever a kept result changes its meaning.
FORMAT: Final = 2
Row = dict[str, Any]
#: Columns of a row that has no number, only a reason.
_NOTHING: Final[Row] = {
    "segment": "", "segment_code": "", "segment_number": None, "segment_standard": "",
    "segment_source_uid": "", "group": "", "feature": "",
    "value": float("nan"), "unit": "", "ibsi": "",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What is measured of every case."""

    #: Groups of features; ``volume`` alone is quick.
    groups: tuple[str, ...]
    #: Settings of the features; None for the defaults.
    settings: Settings | None = None
    #: Which masks count, as ``cohort.load(masks=...)`` takes it.
    masks: bool | Select = True
    #: Further names of segments, as ``cohort.load(names=...)`` takes them.
    names: Names | None = None
    #: Makes masks of fractions.
    threshold: float | None = None
    #: ``nearest`` for masks on another grid.
    resample: Literal["nearest"] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all that a result depends on besides the data."""
        from workbench.measure.settings import Settings

        named: Any = self.names
        if isinstance(named, (str, Path)):
            # What the table says counts, not where it lies.
            named = hashlib.sha256(Path(named).read_bytes()).hexdigest()
        said = {
            "version": __version__, "format": FORMAT, "groups": list(self.groups), "masks": self.masks,
            "names": named, "threshold": self.threshold, "resample": self.resample,
            "settings": (self.settings or Settings()).to_dict(),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def measure_case(cohort: Cohort, case: Case, request: Request) -> list[Row]:
    """Rows of one case: a row per segment and feature, and one per thing that was irregular; never raises.

    A case of which nothing can be measured is one row without a feature, with the reason.
    """
    try:
        dataset = cohort.load(
            case.series_uid, node=case.node, part=case.part, masks=request.masks, names=request.names,
            threshold=request.threshold, resample=request.resample,
        )  # fmt: skip
        notes = [refusal(text) for text in str(dataset.attrs.get("mask_findings", "")).splitlines()]
        if "mask" not in dataset:
            return notes or [refusal("no segment that counts" if request.masks is not True else "no mask on the image")]
        return [*_measured(dataset, request), *notes]
    except WorkbenchError as error:
        return [refusal(f"{type(error).__name__}: {error.what}")]
    except MemoryError:
        return [refusal("not enough memory")]
    except Exception as error:
        # Whatever one case does, the others go on; the text of a foreign error may hold values of the data.
        return [refusal(f"could not be measured ({type(error).__name__})")]


def refusal(reason: str) -> Row:
    """A row without a number."""
    return {**_NOTHING, "reason": reason}


def _measured(dataset: xr.Dataset, request: Request) -> list[Row]:
    from workbench.measure.features import features

    table = features(dataset, "mask", groups=request.groups, settings=request.settings)
    numbers = dataset["segment_number"].values.tolist()
    standards = dataset["segment_standard"].values.tolist() if "segment_standard" in dataset.coords else []
    sources = dataset["segment_source_uid"].values.tolist()
    rows: list[Row] = []
    for row in table.to_dict("records"):
        index = int(row.get("segment_index", 0))
        rows.append({
            "segment": str(row["segment"]), "segment_code": str(row.get("segment_code", "")),
            "segment_number": int(numbers[index]), "segment_standard": str(standards[index]) if standards else "",
            "segment_source_uid": str(sources[index]), "group": str(row["group"]),
            "feature": str(row["feature"]), "value": float(row["value"]), "unit": str(row["unit"]),
            "ibsi": str(row["ibsi"]), "reason": str(row.get("reason", "")),
        })  # fmt: skip
    return rows
