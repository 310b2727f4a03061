"""Functional groups as pydicom gives them: the values of one item.

What the walk over a header's bytes declines is read this way, and single values that it does not decode itself.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from workbench.dicom.headers.groups_macros import FORMS, LOOSE, MACROS, REAL_WORLD, UNASSIGNED, number_of


def first_of(dataset: Any, keyword: str) -> Any:
    """First item of a sequence; None where it is absent or empty."""
    # By tag: most groups are absent, and asking by keyword costs as much for them as reading one.
    tag = number_of(keyword)
    items = dataset[tag].value if tag in dataset else None
    return items[0] if items else None


def value_of(item: Any, keyword: str, form: str) -> Any:
    """Value of an element; None where it is absent, empty, or no finite number.

    Parameters
    ----------
    item : pydicom.Dataset
        Where it is looked for.
    keyword : str
        Its keyword.
    form : str
        ``number``, ``integer``, ``numbers:N`` or ``text``.

    Raises
    ------
    ValueError, TypeError
        It is not of that form.
    """
    raw = item.get(keyword)
    if raw is None or (hasattr(raw, "__len__") and len(raw) == 0):
        return None
    if form == "text":
        many = isinstance(raw, (list, tuple)) or type(raw).__name__ == "MultiValue"
        return "\\".join(str(part) for part in raw) if many else str(raw)
    if form.startswith("numbers:"):
        numbers = [float(part) for part in raw]
        return numbers if np.isfinite(numbers).all() else None
    number = float(raw[0] if isinstance(raw, (list, tuple)) or type(raw).__name__ == "MultiValue" else raw)
    if not math.isfinite(number):
        return None
    return int(number) if form == "integer" else number


def group_values(item: Any, sign: int | None) -> dict[str, Any]:
    """Values of one item of the functional groups by column; what it does not say is left out.

    Parameters
    ----------
    item : pydicom.Dataset or None
        The item.
    sign : int or None
        PixelRepresentation of the object.
    """
    found: dict[str, Any] = {}
    if item is None:
        return found
    for macro in MACROS:
        group = first_of(item, macro.group)
        if group is not None and (value := value_of(group, macro.attribute, macro.form)) is not None:
            found[macro.column] = value
    diffusion = first_of(item, "MRDiffusionSequence")
    gradient = first_of(diffusion, "DiffusionGradientDirectionSequence") if diffusion is not None else None
    if gradient is not None and (direction := value_of(gradient, "DiffusionGradientOrientation", "numbers:3")):
        found["DiffusionGradientOrientation"] = direction
    if REAL_WORLD in item and (text := real_world_values(item, sign)):
        found["real_world_values"] = text
    for keyword in LOOSE:
        loose = first_of(item, keyword)
        for column in UNASSIGNED if loose is not None else ():
            if column not in found and (value := value_of(loose, column, FORMS[column])) is not None:
                found[column] = value
    return found


def real_world_values(item: Any, sign: int | None) -> str | None:
    """Real-world value maps of one item as JSON text (PS3.3 C.7.6.16.2.11); None where there is none.

    Parameters
    ----------
    item : pydicom.Dataset
        What holds the maps.
    sign : int or None
        PixelRepresentation of the object: the maps' limits are US or SS by it, which implicit VR does not tell.
    """
    maps = []
    for entry in item.get(REAL_WORLD) or ():
        if sign is not None and "PixelRepresentation" not in entry:
            # pydicom itself looks for it no further up than sequences of defined length.
            entry.PixelRepresentation = sign
        code = first_of(entry, "MeasurementUnitsCodeSequence")
        first = entry.get("RealWorldValueFirstValueMapped", entry.get("DoubleFloatRealWorldValueFirstValueMapped"))
        last = entry.get("RealWorldValueLastValueMapped", entry.get("DoubleFloatRealWorldValueLastValueMapped"))
        table = entry.get("RealWorldValueLUTData")
        maps.append(
            {
                "first": _finite(first),
                "last": _finite(last),
                "slope": _finite(entry.get("RealWorldValueSlope")),
                "intercept": _finite(entry.get("RealWorldValueIntercept")),
                "lut": None if table is None else [float(v) for v in np.atleast_1d(table)],
                "units": str(code.get("CodeValue", "")) if code is not None else "",
                "label": str(entry.get("LUTLabel", "") or ""),
            }
        )
    return json.dumps(maps) if maps else None


def _finite(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None
