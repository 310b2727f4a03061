"""Rules that tell images at the same position apart: data first, then the search for the dims they make.

A vendor is added by a column name in the table. Private columns and their creators: ``tags``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Floats
from workbench.dicom.stacks.split import component, numbers
from workbench.findings import Finding

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Key:
    """One rule that tells images at the same position apart."""

    #: Columns it reads, the public one first; a row takes the first that says something.
    columns: tuple[str, ...]
    #: Name of the dimension it makes.
    dim: str
    #: UCUM unit of its values; empty for text.
    units: str
    #: ``number``, ``clock`` (date and TM text, seconds since the first), ``text``, ``component`` or ``direction``.
    form: str = "number"
    #: May differ from slice to slice of one volume, so that the order at each position counts too.
    ranked: bool = False
    #: Good enough for a stack in which frames are absent.
    ragged: bool = True


#: Rules in the order they are tried (DICOM attribute names; PS3.3 C.8.3.1, C.8.4.8, C.8.9.4, C.8.13.5).
KEYS: Final = (
    Key(("DiffusionBValue", "siemens_b_value", "ge_b_value", "philips_b_value", "uih_b_value"), "b_value", "s/mm2"),
    Key(("DiffusionGradientOrientation",), "direction", "1", "direction"),
    Key(("EchoTime",), "echo_time", "ms"),
    Key(("FlipAngle",), "flip_angle", "deg"),
    Key(("InversionTime",), "inversion_time", "ms"),
    Key(("TriggerTime",), "time", "ms", ranked=True),
    Key(("frame_time_ms",), "time", "ms"),
    Key(("temporal_offset_s",), "time", "s"),
    Key(("TemporalPositionIdentifier",), "time", "1"),
    Key(("FrameReferenceTime",), "time", "ms", ranked=True),
    Key(("AcquisitionTime",), "time", "s", "clock", ranked=True),
    Key(("cardiac_phase_percent",), "cardiac_phase", "%"),
    Key(("respiratory_phase_percent",), "respiratory_phase", "%"),
    Key(("ImageType",), "component", "", "component", ragged=False),
    Key(("energy_window",), "energy_window", "1"),
    Key(("detector",), "detector", "1"),
    Key(("phase",), "phase", "1"),
    Key(("rotation",), "rotation", "1"),
    Key(("rr_interval",), "rr_interval", "1"),
    Key(("time_slot",), "time_slot", "1"),
    Key(("time_slice",), "time_slice", "1"),
    Key(("angular_view",), "angular_view", "1"),
    Key(("KVP",), "energy", "kV", ragged=False),
    Key(("AcquisitionNumber",), "acquisition", "1", ragged=False),
)
#: Rules for frames of a multi-frame object that has no place in the patient (cine, planar nuclear medicine).
UNPLACED_KEYS: Final = frozenset(
    ("frame_time_ms", "energy_window", "detector", "phase", "rotation", "rr_interval", "time_slot", "time_slice",
     "angular_view")
)  # fmt: skip
#: Dims made from keys at most.
MOST_DIMS: Final = 3
#: Share of cells that must be there for a ragged stack.
LEAST_FILLED: Final = 0.5


@dataclass(frozen=True, eq=False)
class ExtraDim:
    """A dimension before z."""

    #: Its name.
    name: str
    #: Its values, ascending; numbers or text.
    values: NDArray[Any]
    #: UCUM unit of the values; empty for text.
    units: str


@dataclass(frozen=True, eq=False)
class _Levels:
    """A key's values on the rows of one part."""

    key: Key
    #: Distinct values, ascending.
    values: NDArray[Any]
    #: Level of each row.
    level: Integers
    #: Number behind each row, for ranking; None for text.
    numbers: Floats | None


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Rows arranged in cells."""

    #: Row of each cell, dims (extra ..., z); -1 where there is none.
    cells: Integers
    #: The dims before z.
    extras: tuple[ExtraDim, ...]
    #: What is irregular.
    findings: tuple[Finding, ...] = ()


def filled(part: pa.Table) -> pa.Table:
    """Rows whose public key columns hold the value of a private fall-back where they say nothing themselves."""
    names = set(part.column_names)
    for key in KEYS:
        others = [name for name in key.columns[1:] if name in names and part[name].null_count < part.num_rows]
        if not others or not part[key.columns[0]].null_count:
            continue
        given = pc.coalesce(part[key.columns[0]], *(part[name].cast(pa.float64()) for name in others))
        part = part.set_column(part.schema.get_field_index(key.columns[0]), key.columns[0], given)
    return part


def tell_apart(part: pa.Table, place: Integers, n_places: int, *, placed: bool = True) -> Arrangement | None:
    """Arrangement of the rows by the fewest rules, in table order, that separate all images at each position.

    A set of rules that fills every cell wins; then ranks in time at each position; then a stack in which some frames
    are absent; at last the order of InstanceNumber. None where nothing separates them.

    Parameters
    ----------
    part : pyarrow.Table
        Frame rows, sorted by place.
    place : array of int (rows,)
        Number of each row's position.
    n_places : int
        Positions.
    placed : bool, default True
        Rows have a place in the patient; else only rules for frames of one object hold.
    """
    known = [levels for key in KEYS if (levels := _levels(part, key, placed)) is not None]
    ragged: tuple[float, Arrangement] | None = None
    for size in range(1, MOST_DIMS + 1):
        for chosen in combinations(known, size):
            if len({levels.key.dim for levels in chosen}) < size:
                continue
            cells = _cells(chosen, place, n_places)
            if cells is None:
                continue
            filled = part.num_rows / cells.size
            if filled == 1.0:
                return Arrangement(cells, _dims(chosen))
            good = filled > LEAST_FILLED and all(levels.key.ragged for levels in chosen)
            if good and (ragged is None or filled > ragged[0]):
                ragged = (filled, Arrangement(cells, _dims(chosen), (_absent(cells),)))
        if ragged is not None and size == 1 and ragged[0] > 0.9:
            # Nearly whole with one rule: two would only scatter it.
            break
    if not placed:
        return None
    ranked = _ranked(known, place, n_places)
    if ranked is not None:
        return ranked
    if ragged is not None:
        return ragged[1]
    return _by_number(part, known, place, n_places)


def twins(part: pa.Table, place: Integers) -> Integers:
    """Rows that agree with another in place and in every rule's value, the first such group's rows; may be empty."""
    known = [levels.level for key in KEYS if (levels := _levels(part, key, True)) is not None]
    _, group, counts = np.unique(np.column_stack([place, *known]), axis=0, return_inverse=True, return_counts=True)
    crowded = np.flatnonzero(counts > 1)
    return np.flatnonzero(group.ravel() == crowded[0]) if len(crowded) else np.empty(0, np.int64)


def _absent(cells: Integers) -> Finding:
    missing = int((cells < 0).sum())
    return Finding("ragged-stack", f"{missing} of {cells.size} frames absent", count=missing)


def _dims(chosen: tuple[_Levels, ...]) -> tuple[ExtraDim, ...]:
    return tuple(ExtraDim(levels.key.dim, levels.values, levels.key.units) for levels in chosen)


def _cells(chosen: tuple[_Levels, ...], place: Integers, n_places: int) -> Integers | None:
    """Cells of a set of rules; None where two rows share one, or where most would be empty."""
    shape = (*(len(levels.values) for levels in chosen), n_places)
    size = int(np.prod([float(n) for n in shape]))
    if size > max(2, 2 * len(place)):
        return None
    flat = np.ravel_multi_index((*(levels.level for levels in chosen), place), shape)
    cells = np.full(size, -1, np.int64)
    cells[flat] = np.arange(len(place))
    return cells.reshape(shape) if int((cells >= 0).sum()) == len(place) else None


def _ranked(known: list[_Levels], place: Integers, n_places: int) -> Arrangement | None:
    """Volumes told apart by their order in time at each position, where each slice has a time of its own."""
    for size in reversed(range(MOST_DIMS)):
        for chosen in combinations([levels for levels in known if not levels.key.ranked], size):
            if len({levels.key.dim for levels in chosen}) < size or any(lv.key.dim == "time" for lv in chosen):
                continue
            for levels in known:
                if not levels.key.ranked or levels.numbers is None:
                    continue
                rank = _rank(chosen, place, n_places, levels.numbers)
                if rank is None:
                    continue
                times = np.array([np.median(levels.numbers[rank == r]) for r in range(int(rank.max()) + 1)])
                volumes = _Levels(levels.key, times, rank, None)
                cells = _cells((*chosen, volumes), place, n_places)
                if cells is not None and (cells >= 0).all():
                    return Arrangement(cells, _dims((*chosen, volumes)))
    return None


def _rank(chosen: tuple[_Levels, ...], place: Integers, n_places: int, numbers_: Floats) -> Integers | None:
    """Rank of each row within its group of place and levels; None where groups differ in size or have ties."""
    shape = (*(len(levels.values) for levels in chosen), n_places)
    group = np.ravel_multi_index((*(levels.level for levels in chosen), place), shape)
    order = np.lexsort((numbers_, group))
    counts = np.bincount(group)
    counts = counts[counts > 0]
    n = int(counts[0])
    if n < 2 or (counts != n).any():
        return None
    ordered = numbers_[order].reshape(-1, n)
    if not np.isfinite(ordered).all() or (np.diff(ordered, axis=1) <= 0).any():
        return None
    rank = np.empty(len(place), np.int64)
    rank[order] = np.tile(np.arange(n), len(counts))
    return rank


def _by_number(part: pa.Table, known: list[_Levels], place: Integers, n_places: int) -> Arrangement | None:
    """The last resort: every position has the same number of images, in the order of InstanceNumber."""
    stated = part["InstanceNumber"].to_numpy(zero_copy_only=False).astype(np.float64)
    for size in reversed(range(MOST_DIMS)):
        for chosen in combinations([lv for lv in known if not lv.key.ranked and lv.key.dim != "time"], size):
            if len({levels.key.dim for levels in chosen}) < size:
                continue
            rank = _rank(chosen, place, n_places, stated)
            if rank is None or len(np.unique(stated)) < len(stated):
                continue
            n = int(rank.max()) + 1
            volumes = _Levels(Key(("InstanceNumber",), "time", "1"), np.arange(n, dtype=float), rank, None)
            cells = _cells((*chosen, volumes), place, n_places)
            if cells is None or (cells < 0).any():
                continue
            finding = Finding("time-order-from-instance-number", f"{n} frames at each position")
            return Arrangement(cells, _dims((*chosen, volumes)), (finding,))
    return None


def _levels(part: pa.Table, key: Key, placed: bool) -> _Levels | None:
    """Levels of a key on the rows; None where some rows say nothing or all say the same."""
    if key.columns[0] not in part.column_names or (not placed and key.columns[0] not in UNPLACED_KEYS):
        return None
    if key.form == "direction":
        return _directions(part, key)
    if key.form in ("text", "component"):
        texts = part[key.columns[0]].to_pylist()
        if key.form == "component":
            texts = [component(text or "") for text in texts]
        if any(not text for text in texts):
            return None
        values, level = np.unique(np.array(texts), return_inverse=True)
        return _Levels(key, values, level, None) if len(values) > 1 else None
    given = clock(part) if key.form == "clock" else _numbers_of(part, key.columns[0])
    if given is None:
        return None
    values, level = np.unique(given, return_inverse=True)
    return _Levels(key, values, level, given) if len(values) > 1 else None


def _numbers_of(part: pa.Table, column: str) -> Floats | None:
    given: Floats = part[column].to_numpy(zero_copy_only=False).astype(np.float64)
    return None if np.isnan(given).any() else given


def clock(part: pa.Table) -> Floats | None:
    """Seconds of AcquisitionDate and AcquisitionTime since the first; None where some are missing."""
    times = [seconds(text) for text in part["AcquisitionTime"].to_pylist()]
    if any(time is None for time in times):
        return None
    given = np.array(times, dtype=np.float64)
    dates = part["AcquisitionDate"].to_pylist()
    if len(set(dates)) > 1 and all(date and len(date) == 8 and date.isdigit() for date in dates):
        days = np.array([f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in dates])
        try:
            given = given + 86400.0 * (days.astype("datetime64[D]") - days.astype("datetime64[D]").min()).astype(float)
        except ValueError:
            return None
    shifted: Floats = given - given.min()
    return shifted


def seconds(text: str | None) -> float | None:
    """Seconds since midnight of a TM value (HHMMSS.FFFFFF); None where it is none.

    Examples
    --------
    >>> seconds("101530.5"), seconds("noon")
    (36930.5, None)
    """
    digits = (text or "").strip()
    try:
        return int(digits[0:2]) * 3600 + int(digits[2:4] or 0) * 60 + float(digits[4:] or 0)
    except ValueError:
        return None


def _directions(part: pa.Table, key: Key) -> _Levels | None:
    """Diffusion volumes: each b-value with each gradient direction, numbered by b-value, then direction."""
    gradients = numbers(part, "DiffusionGradientOrientation")
    if not np.isfinite(gradients).any():
        return None
    b = _numbers_of(part, KEYS[0].columns[0])
    if b is None:
        return None
    joint = np.column_stack([b, np.nan_to_num(gradients, nan=2.0)])
    values, level = np.unique(joint, axis=0, return_inverse=True)
    if len(values) < 2:
        return None
    return _Levels(key, np.arange(len(values), dtype=float), level.ravel(), None)
