"""What a cohort does with all its images at once: one array, a store, a function over every series."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from workbench.arguments import checked

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.cohort.images.image_store import ImageStore
    from workbench.labels.choosing import Select
    from workbench.labels.names import Names


class Images:
    """Doors to the images of a cohort; a part of :class:`workbench.cohort.Cohort`."""

    @checked
    def stack(
        self,
        *,
        spacing: float | Sequence[float],
        around: str | Mapping[str, Sequence[float]] = "mask",
        size_mm: float | Sequence[float] | None = None,
        masks: bool | Select = False,
        names: Names | None = None,
        threshold: float | None = None,
        resample: Literal["nearest"] | None = None,
        prepare: Callable[[xr.Dataset], xr.Dataset] | None = None,
        method: str = "linear",
        workers: int | None = None,
    ) -> xr.Dataset:
        """One array of all image series: ``image (case, z, y, x)`` float32, mm from a place in each, NaN outside.

        Parameters
        ----------
        spacing : float or three floats
            Mm from voxel to voxel, along all axes or along z, y and x.
        around : {"mask", "image"} or mapping
            What lies in the middle: the box that holds the mask, the image, or places by SeriesInstanceUID, LPS mm.
        size_mm : float or three floats, optional
            Size of the box; by default that of the largest mask and 10 mm on each side, or of the largest image.
        masks, names, threshold, resample
            Which masks count, as in :meth:`load`; several segments are united. With ``around="mask"`` all, where
            nothing is said. Where masks are loaded, ``mask (case, z, y, x)`` and ``mask_inside``, the share of the
            mask's voxels within the box, come along.
        prepare : callable, optional
            Dataset -> Dataset, applied to each before it is resampled; for example
            ``lambda ds: ds.isel(time=0)`` where series have further axes. Where it fails, the case has that as its
            reason.
        method : {"linear", "nearest", "cubic"}
            As in ``ds.patient.resample``. Nothing is averaged: a coarser grid does not smooth.
        workers : int, optional
            Threads; by default ``options.workers``.

        Returns
        -------
        xarray.Dataset
            In memory. Axes are the patient's own (LPS): z grows to the head, y to the back, x to the left, whatever
            the plane of the images. Along ``case``: ``node``, ``patient_id``, ``timepoint``, ``series_uid``, ``part``,
            ``modality``, ``centre_mm``, and ``reason``, which is empty where there is an image. No series is dropped;
            each part of one in several parts is a case of its own, 1 the largest.

        Raises
        ------
        UsageError
            Numbers that are no millimetres, an array larger than the memory, no image series.

        Examples
        --------
        ``cohort.where("modality = 'CT' and n_labels > 0").stack(spacing=1.0, size_mm=64)``
        """
        from workbench.cohort.images.stacking import stack

        return stack(
            self, spacing=spacing, around=around, size_mm=size_mm, masks=masks, names=names, threshold=threshold,  # type: ignore[arg-type]
            resample=resample, prepare=prepare, method=method, workers=workers,
        )  # fmt: skip

    @checked
    def cache(
        self, path: str | os.PathLike[str], *, masks: bool | Select = False, workers: int | None = None
    ) -> ImageStore:
        """Write all image series into a sharded, compressed Zarr store, and open it.

        What the store holds already, did not change and is whole by its checksums is not written again: an interrupted
        run goes on where it was, and what was lost or damaged is mended. Each series is whole or not there.
        ``xarray.open_datatree(path, engine="zarr")`` reads it without us.

        Parameters
        ----------
        path : path
            Folder of the store; made where it does not exist, readable by the user alone.
        masks : bool, "newest" or mapping
            Masks to write beside the images, as in :meth:`load`. Masks that the store has are never removed unasked.
        workers : int, optional
            Threads; by default ``options.workers``. Each holds one series in memory.

        Raises
        ------
        UsageError
            The folder exists and is no such store, or lies within an extract; the store has masks and *masks* is
            False.
        WriteError
            It cannot be written.

        Examples
        --------
        ``store = cohort.cache("cohort.zarr"); store.load(uid)``
        """
        from workbench.cohort.images.image_store import write_store

        return write_store(self, path, masks=masks, workers=workers)  # type: ignore[arg-type]

    @checked
    def map(
        self,
        function: Callable[..., Any],
        *,
        on: Literal["series", "case", "patient"] = "series",
        client: Any = None,
        masks: bool | Select = False,
        retries: int = 1,
        workers: int | None = None,
    ) -> pd.DataFrame:
        """Results of a function over every image series, case or patient: a row each, in the order of the tables.

        Parameters
        ----------
        function : callable
            Gets the lazy Dataset of a series, or the lazy DataTree ``/study/series`` of a case or patient. What it
            gives back stands in ``result``; a mapping of names to values becomes columns. Names of the table's own
            columns get ``result_`` before them.
        on : {"series", "case", "patient"}
            What it is applied to.
        client : distributed.Client, optional
            A dask.distributed cluster whose workers reach the extracts and the cache under the same paths; by default
            threads of this process.
        masks : bool, "newest" or mapping
            As in :meth:`load`, for ``on="series"``.
        retries : int, default 1
            How often a failing one is tried again. On a cluster, one whose worker died is given to another.
        workers : int, optional
            Threads; by default ``options.workers``.

        Returns
        -------
        pandas.DataFrame
            ``node``, ``patient_id``, ``timepoint``, ``series_uid`` and ``part`` as far as *on* has them, the results,
            and ``reason``, empty where the function ended well. Each stands there once; a failing one costs no other.

        Raises
        ------
        UsageError
            An argument that cannot be used.

        Examples
        --------
        ``cohort.map(lambda ds: {"mean": float(ds["image"].mean())})``
        """
        from workbench.cohort.images.mapping import mapped

        return mapped(self, function, on=on, client=client, masks=masks, retries=retries, workers=workers)  # type: ignore[arg-type]
