"""What a caller passes in, checked: numbers, and the image of a Dataset."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, SupportsFloat, cast

import numpy as np
import xarray as xr

from workbench.arguments import short
from workbench.errors import UsageError

__all__ = ["finite_number", "image_of", "one_of", "short", "yes_no"]


def finite_number(value: object, *, name: str, remedy: str) -> float:
    """*value* as a float.

    Parameters
    ----------
    value : object
        A finite number, or an array of no dimension with one.
    name, remedy : str
        What it is, and what to give instead; for the message.

    Raises
    ------
    UsageError
        Anything else.

    Examples
    --------
    >>> finite_number(np.int16(40), name="center", remedy="give HU")
    40.0
    """
    kind = np.asarray(value).dtype.kind if np.isscalar(value) or getattr(value, "shape", None) == () else "?"
    if kind not in "iuf" or not np.isfinite(number := float(cast(SupportsFloat, value))):
        raise UsageError(f"{name} cannot be {short(value)}", remedy=remedy)
    return number


def one_of(value: object, choices: Collection[str], *, name: str, remedy: str = "") -> None:
    """Nothing where *value* is one of some texts.

    Raises
    ------
    UsageError
        It is another, or no text.

    Examples
    --------
    >>> one_of("linear", ("nearest", "linear"), name="method")
    """
    if not isinstance(value, str) or value not in choices:
        words = [repr(choice) for choice in choices]
        listed = " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
        raise UsageError(f"{name} cannot be {short(value)}", remedy=remedy or f"use {listed}")


def yes_no(value: object, *, name: str) -> bool:
    """*value*, which is True or False.

    Raises
    ------
    UsageError
        It is something else: a truth that was not meant must not switch a check off.

    Examples
    --------
    >>> yes_no(np.True_, name="check_frame")
    True
    """
    if not isinstance(value, (bool, np.bool_)):
        raise UsageError(f"{name} cannot be {short(value)}", remedy="use True or False")
    return bool(value)


def image_of(dataset: xr.Dataset, *, kinds: str = "biuf") -> xr.DataArray:
    """The variable ``image`` of *dataset*, of a dtype of one of the *kinds*.

    Raises
    ------
    UsageError
        It is not there, or holds something else.
    """
    if "image" not in dataset.data_vars:
        names = ", ".join(map(str, dataset.data_vars))
        raise UsageError(
            "no variable 'image' in this Dataset",
            remedy=f"call it on a Dataset of a series{f', or rename one of: {names}' if names else ''}",
        )
    image: Any = dataset["image"]
    if image.dtype.kind not in kinds:
        raise UsageError(f"image holds {image.dtype}, no real numbers", remedy="make numbers of it first: astype(...)")
    return cast(xr.DataArray, image)
