"""Times and events of patients, checked; what is missing is counted, never filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.errors import NotMeasurable, UsageError
from workbench.measure.patients import (
    is_number,
    levels_of,
    once_per_patient,
    require_columns,
    require_one_row_per_patient,
)

if TYPE_CHECKING:
    import pandas as pd

#: Events in a group, or per term of a model, below which estimates say little; a warning, no refusal. The count per
#: term is that of Peduzzi et al. 1995 (doi 10.1016/0895-4356(95)00048-8).
FEW_EVENTS: Final = 10
#: Name of the group where none was asked for.
ALL: Final = "all"


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Patients with a time, an event or none, and all other columns asked for."""

    #: Rows without anything missing.
    table: pd.DataFrame
    #: Time to event or to the end of follow-up, (n,), in the unit of its column.
    time: NDArray[np.float64]
    #: Whether the event came, (n,).
    event: NDArray[np.bool_]
    #: Patients left out because something is missing.
    n_missing: int

    def groups(self, by: str | None) -> list[tuple[str, NDArray[np.bool_]]]:
        """Levels of a column, in order, and who is of each, (n,); without a column one group of all."""
        if by is None:
            return [(ALL, np.ones(len(self.time), dtype=bool))]
        return [(str(one), (self.table[by] == one).to_numpy(dtype=bool)) for one in levels_of(self.table[by])]

    def codes(self, by: str | None) -> NDArray[np.int64]:
        """Number of the group of each patient, (n,), in the order of :meth:`groups`."""
        codes = np.zeros(len(self.time), dtype=np.int64)
        for number, (_, inside) in enumerate(self.groups(by)):
            codes[inside] = number
        return codes


def outcomes(
    table: pd.DataFrame, *, time: str, event: str, others: Sequence[str] = (), patient: str | None = "patient_id"
) -> Outcomes:
    """Times (n,) and events (n,) of the patients of whom nothing is missing.

    Parameters
    ----------
    table : DataFrame
        One row per patient; rows of a patient that say the same, as of two timepoints, count once.
    time : str
        Column of the time to the event or to the end of follow-up, 0 or more.
    event : str
        Column that says whether the event came: booleans, or 0 and 1.
    others : sequence of str
        Further columns that must not be missing.
    patient : str or None
        Column of the patient's id; None where each row is a patient.

    Raises
    ------
    UsageError
        Missing columns, several rows of a patient, times below 0 or not in numbers, events of other values.
    NotMeasurable
        No patient is left.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"months": [3.0, None, 9.0], "died": [1, 0, 0]})
    >>> found = outcomes(table, time="months", event="died", patient=None)
    >>> found.time.tolist(), found.event.tolist(), found.n_missing
    ([3.0, 9.0], [True, False], 1)
    """
    require_columns(table, [time, event, *others])
    table = once_per_patient(table, patient, [time, event, *others])
    require_one_row_per_patient(table, patient)
    if not is_number(table[time]):
        raise UsageError(f"column {time!r} does not hold numbers", remedy="give a duration in one unit, e.g. months")
    used = table[list(dict.fromkeys([time, event, *others]))]
    used = used[~(used.isna() | used.isin([np.inf, -np.inf])).any(axis=1)]
    if not len(used):
        raise NotMeasurable(f"no patient has all of {', '.join([time, event, *others])}", remedy="leave some out")
    times = used[time].to_numpy(dtype=np.float64)
    if negative := int((times < 0).sum()):
        raise UsageError(f"{negative} times in {time!r} are below 0", remedy="check where the clock starts")
    return Outcomes(used, times, _events(used[event], event), len(table) - len(used))


def _events(values: pd.Series[Any], name: str) -> NDArray[np.bool_]:
    remedy = "make it boolean first, e.g. table['vital_status'].map({'dead': True, 'alive': False})"
    try:
        numbers = values.astype("float64").to_numpy()
    except (TypeError, ValueError):
        raise UsageError(f"column {name!r} holds texts, not events (booleans, or 0 and 1)", remedy=remedy) from None
    if not np.isin(numbers, (0.0, 1.0)).all():
        raise UsageError(f"column {name!r} holds other values than 0 and 1", remedy=remedy)
    happened: NDArray[np.bool_] = numbers == 1
    return happened
