"""Features of every segment of a mask, as one tidy table."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from workbench.arguments import checked
from workbench.errors import UsageError
from workbench.measure.crop import Region, read_image, region
from workbench.measure.definitions import FAMILIES, TEXTURES, Definition, texture_definitions, unit_of
from workbench.measure.intensity import (
    counted,
    discretised,
    histogram_features,
    intensity_features,
    ivh_unit,
    volume_histogram_features,
)
from workbench.measure.neighbourhood import local_features, peak_margin, spatial_features
from workbench.measure.refused import Refused, Values
from workbench.measure.settings import Settings, digest
from workbench.measure.shape import shape_features, volume_features

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.cohort import Cohort

#: Columns of the table.
COLUMNS: Final = (
    "segment", "segment_index", "segment_code", "group", "feature", "value", "unit", "ibsi", "reason",
)  # fmt: skip
#: Families that need intensities whatever is asked of them.
_OF_INTENSITY: Final = ("spatial", "local", "intensity", "histogram", "ivh")
EMPTY: Final = "the segment is empty"


@checked
def features(
    ds: xr.Dataset | Cohort,
    mask: str | xr.DataArray = "mask",
    *,
    groups: str | Sequence[str] = ("shape", "intensity"),
    settings: Settings | None = None,
    image: str = "image",
    **of_cohort: Any,
) -> pd.DataFrame:
    """One row per segment and feature: value, UCUM unit and IBSI tag; lengths in mm, intensities in the image's unit.

    Parameters
    ----------
    ds : xarray.Dataset or Cohort
        A series with an even grid, and its image (z, y, x). Or a whole cohort: then *groups*, *settings* and the
        further keywords are those of :func:`workbench.measure.cohort_run.features_of_cohort`, which tells its table.
    mask : str or DataArray, default "mask"
        Boolean (z, y, x) or (segment, z, y, x): a variable of *ds*, or an array on the same grid.
    groups : str or sequence of str, default ("shape", "intensity")
        Families: ``volume``, ``shape`` (which has the volumes too), ``intensity``; ``local`` (peaks over 1 cm3),
        ``spatial`` (Moran's I, Geary's C), ``histogram`` and ``ivh`` (intensity-volume histogram); and the texture
        families ``glcm``, ``glrlm``, ``glszm``, ``gldzm``, ``ngtdm``, ``ngldm`` or all of them as ``texture``,
        which mirp computes (extra ``radiomics``).
    settings : Settings, optional
        Re-segmentation and bins; default :class:`workbench.measure.settings.Settings`.
    image : str, default "image"
        Name of the image in *ds*. ``volume`` does not need it.

    Returns
    -------
    pandas.DataFrame
        Columns ``segment``, ``segment_index``, ``segment_code``, ``group``, ``feature``, ``value``, ``unit``,
        ``ibsi`` (empty where IBSI defines no such feature) and ``reason``: why a value is NaN. All settings are in
        ``attrs["settings"]``, their digest in ``attrs["settings_digest"]``.

    Raises
    ------
    IrregularGeometry
        Slices are missing, uneven, tilted, alone or without a place; names the finding.
    GridMismatch
        The mask is on another grid.
    UsageError
        An unknown family, no such mask, a mask that is not boolean, an image with further dimensions.
    MissingExtra
        Textures without mirp.

    Notes
    -----
    Only the box of each segment is read: slices without it are left alone. Voxels without a value (NaN, infinite) are
    left out of all intensity features and counted in ``n_missing``; textures are refused then.

    The surface is that of a marching-cubes mesh of the binary mask, which overestimates the surface of a sphere by
    8 to 10 %. Nothing is interpolated before: resample first where voxels should be cubes.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.diag([1.0, 1.0, 1.0, 1.0])[:, [2, 1, 0, 3]]
    >>> ds = from_array(np.arange(512.0).reshape(8, 8, 8), axes, units="[hnsf'U]")
    >>> table = features(ds, ds["image"] >= 256)
    >>> table.set_index("feature").loc[["volume_voxels", "mean"], ["value", "unit", "ibsi"]]
                   value      unit              ibsi
    feature
    volume_voxels  256.0       mm3  morph_vol_approx
    mean           383.5  [hnsf'U]         stat_mean
    """
    import pandas as pd

    from workbench.arrays.same_grid import require_even

    # Who has a cohort has imported it; who has none need not wait for its database.
    cohorts = sys.modules.get("workbench.cohort.cohort")
    if cohorts is not None and isinstance(ds, cohorts.Cohort):
        from workbench.measure.cohort_run import features_of_cohort

        if mask != "mask" or image != "image":
            raise UsageError("of a cohort every mask is measured on its own image", remedy="choose with masks=...")
        return features_of_cohort(ds, groups=groups, settings=settings, **of_cohort)
    ds = cast("xr.Dataset", ds)
    if not hasattr(ds, "data_vars"):
        raise UsageError(f"features are of a Dataset or a Cohort, not a {type(ds).__name__}", remedy="open it first")
    if not isinstance(mask, str) and not hasattr(mask, "dims"):
        raise UsageError(
            f"the mask is a {type(mask).__name__}, not a labelled array", remedy="add it: ds.patient.masks(array)"
        )
    if settings is not None and not isinstance(settings, Settings):
        raise UsageError(f"settings are a {type(settings).__name__}", remedy="give wb.measure.Settings(...)")
    if of_cohort:
        raise UsageError(f"no keyword {next(iter(of_cohort))!r} for one Dataset", remedy="give it with a cohort")
    asked = families(groups)
    settings = Settings() if settings is None else settings
    textures = [family for family in asked if family in TEXTURES]
    said = settings.to_dict()
    if textures:
        from workbench.measure.textures import require_mirp, texture_settings

        said["mirp"] = {"version": require_mirp(), **texture_settings(settings, textures)}
    given, dim = _mask_of(ds, mask)
    grid = require_even(ds, "features")
    picture = _image_of(ds, image, needed=bool(set(asked) - {"volume"}))
    unit = str(picture.attrs.get("units", "")) if picture is not None else ""
    of_ivh = ivh_unit(settings, unit)
    rows: list[tuple[Any, ...]] = []
    for index, (name, code) in enumerate(_segments(given, dim)):
        one = given.isel({dim: index}) if dim else given
        found = region(one, grid)
        for family, values in _measured(found, picture, asked, settings):
            for definition in _definitions(family, settings):
                value = values[definition.name]
                if not isinstance(value, Refused) and not np.isfinite(value):
                    value = Refused("the result is not a finite number")
                number, reason = (np.nan, value.reason) if isinstance(value, Refused) else (value, "")
                about = (family, definition.name, number, unit_of(definition, unit, of_ivh), definition.ibsi, reason)
                rows.append((name, index, code, *about))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["value"] = table["value"].astype("float64")
    table.attrs["settings"] = said
    table.attrs["settings_digest"] = digest(said)
    return table


def families(groups: str | Sequence[str]) -> list[str]:
    """Families asked for, each once, in the order asked; the volumes are part of shape."""
    if not isinstance(groups, (str, list, tuple, set, frozenset)):
        raise UsageError(f"groups cannot be {groups!r}", remedy="give a name or several")
    given = [groups] if isinstance(groups, str) else list(groups)
    known = (*FAMILIES, *TEXTURES)
    asked: list[str] = []
    for group in given:
        members = list(TEXTURES) if group == "texture" else [group]
        if unknown := [member for member in members if member not in known]:
            raise UsageError(f"no group of features {unknown[0]!r}", remedy=f"use {', '.join((*known, 'texture'))}")
        asked += [member for member in members if member not in asked]
    if not asked:
        raise UsageError("no group of features asked for", remedy=f"use {', '.join((*known, 'texture'))}")
    return [family for family in asked if family != "volume" or "shape" not in asked]


def _mask_of(ds: xr.Dataset, mask: str | xr.DataArray) -> tuple[xr.DataArray, str]:
    """Boolean mask on the grid of *ds*, its dims in order, and the name of its dim of segments, empty without one."""
    from workbench.measure.same_places import require_same_places

    if isinstance(mask, str):
        if mask not in ds:
            here = ", ".join(str(name) for name in ds.data_vars)
            raise UsageError(f"no variable {mask!r} in this Dataset", remedy=f"add masks, or use one of: {here}")
        mask = ds[mask]
    else:
        require_same_places(ds, mask)
    further = [str(dim) for dim in mask.dims if dim not in ("z", "y", "x")]
    if len(further) > 1 or not {"z", "y", "x"} <= set(mask.dims):
        raise UsageError(
            f"a mask has dims (z, y, x) or (segment, z, y, x), not ({', '.join(map(str, mask.dims))})",
            remedy="select one of each further dimension with isel",
        )
    if mask.dtype != bool:
        raise UsageError(
            f"the mask is {mask.dtype}, not boolean", remedy="say what counts: fraction >= 0.5, label == 3"
        )
    return mask.transpose(*further, "z", "y", "x"), further[0] if further else ""


def _image_of(ds: xr.Dataset, name: str, *, needed: bool) -> xr.DataArray | None:
    """Image (z, y, x) of real numbers; None where it is neither there nor needed."""
    if not needed:
        return None
    if name not in ds:
        raise UsageError(f"no variable {name!r} in this Dataset", remedy="name the image, or ask for groups='volume'")
    found = ds[name]
    if set(found.dims) != {"z", "y", "x"}:
        further = ", ".join(str(dim) for dim in found.dims if dim not in ("z", "y", "x"))
        raise UsageError(
            f"the image has further dimensions: {further}", remedy=f"select one: ds.isel({further.split(',')[0]}=0)"
        )
    if found.dtype.kind not in "iufb":
        raise UsageError(f"the image is {found.dtype}", remedy="take real numbers")
    return found.transpose("z", "y", "x")


def _segments(mask: xr.DataArray, dim: str) -> list[tuple[str, str]]:
    """Name and code of every segment."""
    if not dim:
        return [(str(mask.name or "mask"), "")]
    names = mask[dim].values.tolist() if dim in mask.coords else [str(i) for i in range(mask.sizes[dim])]
    coded = f"{dim}_code"
    codes = mask[coded].values.tolist() if coded in mask.coords else [""] * len(names)
    return [(str(name), str(code)) for name, code in zip(names, codes, strict=True)]


def _measured(
    found: Region | None, image: xr.DataArray | None, asked: Sequence[str], settings: Settings
) -> Iterable[tuple[str, Values]]:
    """Each family asked for, with its values."""
    if found is None:
        for family in asked:
            yield family, _all_refused(family, EMPTY)
        return
    if image is None:
        yield "volume", volume_features(found)
        return
    margin = peak_margin(found.spacing) if "local" in asked else (0, 0, 0)
    wide, inner = read_image(image, found.box, margin)
    values = wide[inner]
    kept, missing = counted(values, found.mask, settings)
    x = values[kept].astype(np.float64)
    nothing = "no voxel of the segment has a value that counts"
    for family in asked:
        if family == "volume":
            yield family, volume_features(found)
        elif family == "shape":
            yield family, shape_features(found, values, kept)
        elif family == "intensity":
            refused = _all_refused(family, nothing)
            counts: Values = {
                "n_voxels_intensity": float(len(x)), "n_missing": float(missing),
                "n_resegmented": float(np.count_nonzero(found.mask)) - len(x) - missing,
            }  # fmt: skip
            yield family, refused | (intensity_features(x) if len(x) else {}) | counts
        elif not len(x):
            yield family, _all_refused(family, nothing)
        elif family == "local":
            yield family, local_features(wide, inner, kept, found.spacing)
        elif family == "spatial":
            yield family, spatial_features(values, kept, found.spacing)
        elif family == "histogram":
            low = settings.resegment_range[0] if settings.resegment_range else None
            binned = discretised(x, settings.bin_method, settings.bin_size, low)
            refused = _all_refused(family, binned.reason if isinstance(binned, Refused) else "")
            yield family, refused if isinstance(binned, Refused) else histogram_features(*binned)
        elif family == "ivh":
            yield family, volume_histogram_features(x, settings)
    textures = [family for family in asked if family in TEXTURES]
    if textures and len(x):
        from workbench.measure.textures import texture_features

        yield from texture_features(values, found, missing, settings, textures).items()


def _definitions(family: str, settings: Settings | None = None) -> tuple[Definition, ...]:
    own = FAMILIES.get(family)
    return own or texture_definitions(family, settings.texture_aggregation if settings else "merge")


def _all_refused(family: str, reason: str) -> Values:
    return {definition.name: Refused(reason) for definition in _definitions(family)}
