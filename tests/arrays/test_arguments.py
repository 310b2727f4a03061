"""What a caller passes in: numbers, and the image of a Dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from workbench.arrays.arguments import finite_number, image_of
from workbench.errors import UsageError


@pytest.mark.parametrize("value", [40, 40.0, np.int16(40), np.float32(40), np.array(40), xr.DataArray(40)])
def test_numbers_and_arrays_of_one_are_numbers(value: Any) -> None:
    assert finite_number(value, name="x", remedy="") == 40.0


@pytest.mark.parametrize("value", ["40", None, True, np.nan, np.inf, 1j, [40], np.array([40]), xr.Dataset(), {}])
def test_everything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(UsageError, match=r"^x cannot be .*\. give HU$"):
        finite_number(value, name="x", remedy="give HU")


def test_image_is_there_and_holds_numbers() -> None:
    with pytest.raises(UsageError, match="or rename one of: ct"):
        image_of(xr.Dataset({"ct": 1}))
    with pytest.raises(UsageError, match="no real numbers"):
        image_of(xr.Dataset({"image": "text"}))
