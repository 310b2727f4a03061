"""Grey values for the eye: the window of PS3.3 C.11.2.1.2, and the one place where MONOCHROME1 is inverted."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.arguments import finite_number, image_of, one_of, short
from workbench.arrays.derived import derived
from workbench.errors import UsageError

WindowFunction = Literal["linear", "linear_exact", "sigmoid"]
#: Smallest width that each function of PS3.3 C.11.2.1.2 and C.11.2.1.3 allows; above zero where it says 0.
NARROWEST: Final = {"linear": 1.0, "linear_exact": 0.0, "sigmoid": 0.0}
#: Kinds of values that a window in the header was not made for.
_OTHER_VALUES: Final = ("suv", "stored", "colour", "quantitative", "real-world")


def window(
    dataset: xr.Dataset,
    center: float | None = None,
    width: float | None = None,
    *,
    function: WindowFunction = "linear",
    invert: bool | Literal["auto"] = "auto",
    dtype: Literal["uint8", "float32"] = "uint8",
) -> xr.DataArray:
    """``display`` with the dims of ``image``: 0 (black) to 255 (white) as uint8, or 0 to 1 as float32.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series with ``image`` in grey values.
    center, width : float, optional
        Window in the unit of the image. Default: the first one of the header (WindowCenter, WindowWidth).
    function : {"linear", "linear_exact", "sigmoid"}
        VOI LUT Function of PS3.3 C.11.2.1.2 (linear) and C.11.2.1.3 (the other two).
    invert : bool or "auto"
        Whether low values are white; "auto" does so for MONOCHROME1.
    dtype : {"uint8", "float32"}
        uint8 shows NaN black; float32 keeps it.

    Returns
    -------
    xarray.DataArray
        Lazy where the image is.

    Raises
    ------
    UsageError
        No window here or in the header, one too narrow, or a colour image.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.array([[[-160, 40, 240]]], "int16"), np.eye(4)[:, [2, 1, 0, 3]])
    >>> window(ds, 40, 400, function="linear_exact", dtype="float32").values.tolist()
    [[[0.0, 0.5, 1.0]]]
    """
    image = image_of(dataset)
    kind = str(image.attrs.get("value_kind", ""))
    if kind == "colour" or "channel" in image.dims:
        raise UsageError("a colour image has no window", remedy="show it as it is")
    one_of(function, NARROWEST, name="function", remedy=f"use {', '.join(NARROWEST)}")
    one_of(dtype, ("uint8", "float32"), name="dtype")
    if not isinstance(invert, (bool, np.bool_)) and not (isinstance(invert, str) and invert == "auto"):
        raise UsageError(f"invert cannot be {short(invert)}", remedy="use True, False or 'auto'")
    if (center is None) != (width is None):
        raise UsageError("a window is a center and a width", remedy="give both or neither")
    if center is None or width is None:
        center, width = _stated(dataset, kind)
    center, width = (
        finite_number(value, name=name, remedy="give a number in the unit of the image")
        for name, value in (("center", center), ("width", width))
    )
    if width < NARROWEST[function] or width <= 0:
        least = "at least 1" if function == "linear" else "above 0"
        raise UsageError(f"window of center {center:g} and width {width:g}", remedy=f"{function} wants a width {least}")
    inverted = dataset.attrs.get("PhotometricInterpretation") == "MONOCHROME1" if invert == "auto" else bool(invert)
    show = partial(_shown, center=center, width=width, function=function, inverted=inverted, whole=dtype == "uint8")
    attrs = {
        "long_name": "grey value", "units": "1", "value_kind": "display",
        "window_center": center, "window_width": width, "window_function": function,
        "inverted": int(inverted),
    }  # fmt: skip
    variable = derived([image.variable], show, dtype=dtype, attrs=attrs)
    return xr.DataArray(variable, coords=image.coords, name="display")


def grey_levels(
    values: NDArray[Any], *, center: float, width: float, function: WindowFunction = "linear"
) -> NDArray[np.float32]:
    """Grey levels 0 to 1 (float32) of *values* by a window of PS3.3 C.11.2.1.2 and C.11.2.1.3; NaN stays.

    Examples
    --------
    >>> grey_levels(np.array([-1000, 39.5, 1000]), center=40, width=401).tolist()
    [0.0, 0.5, 1.0]
    """
    x = np.asarray(values, dtype=np.float32)
    if function == "sigmoid":
        # Beyond 80 the exponential says nothing more in float32, but overflows.
        power = np.clip(-4 * (x - np.float32(center)) / np.float32(width), -80, 80)
        return np.asarray(1 / (1 + np.exp(power)), dtype=np.float32)
    if function == "linear" and width == 1:
        # A window of one value: the standard's bounds meet and nothing lies between.
        return np.asarray(np.where(np.isnan(x), x, x > np.float32(center - 0.5)), dtype=np.float32)
    middle, breadth = (center - 0.5, width - 1) if function == "linear" else (center, width)
    return np.asarray(np.clip((x - np.float32(middle)) / np.float32(breadth) + np.float32(0.5), 0, 1), dtype=np.float32)


def _shown(
    image: xr.Variable, *, center: float, width: float, function: Any, inverted: bool, whole: bool
) -> xr.Variable:
    def levels(values: NDArray[Any]) -> NDArray[Any]:
        grey = grey_levels(values, center=center, width=width, function=function)
        grey = 1 - grey if inverted else grey
        return np.nan_to_num(np.rint(grey * 255), nan=0.0).astype(np.uint8) if whole else grey

    if image.chunks is not None:
        data = image.data.map_blocks(levels, dtype=np.uint8 if whole else np.float32)
        return xr.Variable(image.dims, data)
    values = np.asarray(image.values)
    if values.ndim < 3:
        return xr.Variable(image.dims, levels(values))
    # Slice by slice: the float32 in between is never as large as the image.
    shown = np.empty(values.shape, np.uint8 if whole else np.float32)
    for number in np.ndindex(*values.shape[:-2]):
        shown[number] = levels(values[number])
    return xr.Variable(image.dims, shown)


def _stated(dataset: xr.Dataset, kind: str) -> tuple[float, float]:
    """First window of the header."""
    if kind.startswith(_OTHER_VALUES):
        raise UsageError(f"the header's window is not made for values of kind {kind!r}", remedy="give center and width")
    try:
        center, width = (
            float(str(dataset.attrs[tag]).split("\\")[0].strip("[]() ").split(",")[0])
            for tag in ("WindowCenter", "WindowWidth")
        )
    except (KeyError, ValueError):
        raise UsageError("the header names no window", tag="WindowCenter", remedy="give center and width") from None
    return center, width
