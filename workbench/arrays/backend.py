"""The xarray entry point ``engine="dicom"``: a thin file over plain functions, no logic in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from workbench.arrays import accessor as _accessor  # noqa: F401  registers ds.patient
from workbench.arrays.opening import Paths, open_series, open_study
from workbench.dicom.headers.user_tags import TagName


class DicomBackendEntrypoint(BackendEntrypoint):
    """Opens a DICOM series (folder or file) as a lazy, labelled Dataset."""

    description = "DICOM series as labelled arrays in patient millimetres"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "series", "part", "values", "dtype", "tags")
    supports_groups = True

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: Paths,
        *,
        drop_variables: str | Iterable[str] | None = None,
        series: str | None = None,
        part: int | None = None,
        values: str = "physical",
        dtype: str | None = None,
        tags: Sequence[TagName] = (),
    ) -> xr.Dataset:
        """Lazy Dataset of one series: ``image`` (z, y, x) in physical values; see the documentation."""
        dataset = open_series(filename_or_obj, series=series, part=part, values=values, dtype=dtype, tags=tags)
        return dataset.drop_vars(drop_variables, errors="ignore") if drop_variables else dataset

    def open_datatree(  # type: ignore[override]
        self, filename_or_obj: Paths, **options: Any
    ) -> xr.DataTree:
        """Lazy DataTree ``/study/series`` of everything below a folder; options as ``open_groups_as_dict``."""
        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, **options))

    def open_groups_as_dict(  # type: ignore[override]
        self,
        filename_or_obj: Paths,
        *,
        drop_variables: str | Iterable[str] | None = None,
        values: str = "physical",
        dtype: str | None = None,
        tags: Sequence[TagName] = (),
    ) -> dict[str, xr.Dataset]:
        """Datasets by path in the tree."""
        groups = open_study(filename_or_obj, values=values, dtype=dtype, tags=tags)
        if not drop_variables:
            return groups
        return {path: dataset.drop_vars(drop_variables, errors="ignore") for path, dataset in groups.items()}

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Never guess: a folder or file is opened as DICOM where ``engine="dicom"`` says so."""
        return False
