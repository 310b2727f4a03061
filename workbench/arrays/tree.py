"""Series Datasets -> one lazy DataTree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr


def tree_groups(datasets: Mapping[str, xr.Dataset], *, not_loaded: Sequence[str]) -> dict[str, xr.Dataset]:
    """Datasets by tree path with a root that names what could not be loaded.

    Parents hold no dimension and no coordinate, so that siblings never have to be aligned.
    """
    return {"/": xr.Dataset(attrs={"not_loaded": list(not_loaded)}), **datasets}


def tree(datasets: Mapping[str, xr.Dataset], *, not_loaded: Sequence[str]) -> xr.DataTree:
    """Lazy DataTree of series Datasets by path, for example ``/node/patient/study/series``."""
    return xr.DataTree.from_dict(tree_groups(datasets, not_loaded=not_loaded))
