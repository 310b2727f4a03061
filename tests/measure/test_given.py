"""What is taken for a mask and an image, and given back."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from tests.measure.volumes import box, mask, segments, volume
from workbench.errors import UsageError
from workbench.measure.given import given_back, image_of, masks_of

SHAPE = (3, 4, 5)
ONE = box(SHAPE, (0, 2), (0, 2), (0, 2))


def test_masks_of_a_dataset_are_placed_by_the_dataset() -> None:
    ds = volume(np.zeros(SHAPE)).assign(mask=mask(ONE))
    found = masks_of(ds)
    assert "affine" in found.place.coords
    assert found.dim == ""
    assert list(found.segments()) == [""]


def test_axes_are_brought_into_order() -> None:
    found = masks_of(segments({"GTV": ONE}).transpose("x", "segment", "z", "y"))
    assert found.array.dims == ("segment", "z", "y", "x")
    assert found.dim == "segment"
    assert (found.segments()["GTV"].values == ONE).all()


def test_segments_without_names_and_further_dims_are_refused() -> None:
    with pytest.raises(UsageError, match="no names"):
        masks_of(segments({"GTV": ONE}).drop_vars("segment")).segments()
    with pytest.raises(UsageError, match="not \\(z, y, x\\)"):
        masks_of(segments({"GTV": ONE}).expand_dims(time=2))
    with pytest.raises(UsageError, match="not \\(z, y, x\\)"):
        masks_of(mask(ONE).isel(z=0))


def test_colours_and_texts_are_no_intensities() -> None:
    image = volume(np.zeros(SHAPE))["image"]
    with pytest.raises(UsageError, match="colour"):
        image_of(image.expand_dims(channel=3, axis=-1))
    with pytest.raises(UsageError, match="real numbers"):
        image_of(image.astype(complex))


def test_arrays_for_arrays_and_datasets_for_datasets() -> None:
    ds = volume(np.zeros(SHAPE))
    result = ds["image"] + 1
    assert isinstance(given_back(ds, "image", result), xr.Dataset)
    assert given_back(ds["image"], "image", result) is result


def test_plain_arrays_are_told_what_to_be() -> None:
    from workbench.measure import agreement, dilate, features

    plain = np.zeros((2, 3, 4), bool)
    for call in (lambda: dilate(plain, mm=3), lambda: agreement(plain, plain), lambda: features("folder")):
        with pytest.raises(UsageError, match=r"not a|labelled array|give a Dataset"):
            call()
