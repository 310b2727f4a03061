"""The xarray entry point ``engine="dicom"``: a thin file over plain functions, no logic in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from workbench.arrays import accessor as _accessor  # noqa: F401  registers ds.patient
from workbench.arrays.opening import Paths, open_series, open_study
from workbench.dicom.headers.user_tags import TagName
from workbench.errors import UsageError


class DicomBackendEntrypoint(BackendEntrypoint):
    """Opens a DICOM series (folder or file) as a lazy, labelled Dataset."""

    description = "DICOM series as labelled arrays in patient millimetres"
    open_dataset_parameters = (
        "filename_or_obj", "drop_variables", "mask_and_scale", "decode_times", "decode_timedelta", "use_cftime",
        "concat_characters", "decode_coords", "series", "part", "values", "dtype", "tags",
        "link_roots",
    )  # fmt: skip
    supports_groups = True

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: Paths,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: object = None,
        decode_times: object = None,
        decode_timedelta: object = None,
        use_cftime: object = None,
        concat_characters: object = None,
        decode_coords: object = None,
        series: str | None = None,
        part: int | None = None,
        values: str = "physical",
        dtype: str | None = None,
        tags: Sequence[TagName] = (),
        link_roots: Sequence[str | os.PathLike[str]] = (),
    ) -> xr.Dataset:
        """Lazy Dataset of one series: ``image`` (z, y, x) in physical values; see ``docs/arrays.md``.

        What xarray passes to every backend about CF encodings changes nothing: DICOM has none of them. For numbers as
        they are stored there is ``values="stored"``.
        """
        unwanted = _names(drop_variables)
        dataset = open_series(
            filename_or_obj, series=series, part=part, values=values, dtype=dtype, tags=tags, link_roots=link_roots
        )
        return dataset.drop_vars(unwanted, errors="ignore")

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
        mask_and_scale: object = None,
        decode_times: object = None,
        decode_timedelta: object = None,
        use_cftime: object = None,
        concat_characters: object = None,
        decode_coords: object = None,
        values: str = "physical",
        dtype: str | None = None,
        tags: Sequence[TagName] = (),
        link_roots: Sequence[str | os.PathLike[str]] = (),
    ) -> dict[str, xr.Dataset]:
        """Lazy Datasets by path in the tree; arguments as in :meth:`open_dataset`."""
        unwanted = _names(drop_variables)
        groups = open_study(filename_or_obj, values=values, dtype=dtype, tags=tags, link_roots=link_roots)
        return {path: dataset.drop_vars(unwanted, errors="ignore") for path, dataset in groups.items()}

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Never guess: a folder or file is opened as DICOM where ``engine="dicom"`` says so."""
        return False


def _names(unwanted: str | Iterable[str] | None) -> list[str]:
    """Names of variables to leave out."""
    if unwanted is None or isinstance(unwanted, str):
        return [unwanted] if unwanted else []
    names = list(unwanted) if isinstance(unwanted, Iterable) else [None]
    if not all(isinstance(name, str) for name in names):
        raise UsageError("drop_variables is no list of names", remedy="write drop_variables=['KVP']")
    return names
