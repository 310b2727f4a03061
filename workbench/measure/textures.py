"""Texture families, computed by mirp (extra ``radiomics``) with the same re-segmentation and bins as our own."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.errors import MissingExtra
from workbench.measure.crop import Region
from workbench.measure.definitions import TEXTURES, texture_definitions
from workbench.measure.refused import Refused, Values
from workbench.measure.settings import Settings

#: How mirp calls what we call it.
_BINS: Final = {"number": "fixed_bin_number", "width": "fixed_bin_size", "none": "none"}
_AGGREGATION: Final = {"merge": "3d_volume_merge", "average": "3d_average"}
#: What mirp puts behind a name: distance, difference level, aggregation.
_SUFFIX: Final = r"(_d\d+(\.\d+)?)?(_a\d+(\.\d+)?)?_3d(_avg|_v_mrg)?(_fb[ns]_?[\w.]*)?"


def require_mirp() -> str:
    """Version of mirp.

    Raises
    ------
    MissingExtra
        It is not installed.
    """
    try:
        import_module("mirp")
    except ImportError:
        raise MissingExtra(
            "textures are computed by mirp, which is not installed",
            remedy='pip install "cancer-imaging-workbench[radiomics]" (1.4 GB), or ask for shape and intensity',
        ) from None
    return version("mirp")


def texture_settings(settings: Settings, families: Sequence[str]) -> dict[str, Any]:
    """Every argument that mirp is called with, plain types: what it does not set itself and what it would.

    Examples
    --------
    >>> texture_settings(Settings(), ["glcm"])["base_discretisation_n_bins"]
    32
    """
    spatial = _AGGREGATION[settings.texture_aggregation]
    said: dict[str, Any] = {
        "by_slice": False, "no_approximation": True, "ibsi_compliant": True,
        "base_feature_families": list(families),
        "base_discretisation_method": _BINS[settings.bin_method],
        "texture_feature_pooling_method": "average",
        "glcm_spatial_method": spatial, "glrlm_spatial_method": spatial, "glszm_spatial_method": "3d",
        "gldzm_spatial_method": "3d", "ngtdm_spatial_method": "3d", "ngldm_spatial_method": "3d",
        "glcm_distance": settings.texture_distance, "ngldm_distance": settings.texture_distance,
        "ngldm_difference_level": 0.0,
    }  # fmt: skip
    if settings.bin_method == "number" and settings.bin_size is not None:
        said["base_discretisation_n_bins"] = int(settings.bin_size)
    elif settings.bin_method == "width":
        said["base_discretisation_bin_width"] = settings.bin_size
    if settings.resegment_range is not None:
        said["resegmentation_intensity_range"] = list(settings.resegment_range)
    if settings.resegment_sigma is not None:
        said["resegmentation_sigma"] = settings.resegment_sigma
    return said


def texture_features(
    values: NDArray[Any], region: Region, missing: int, settings: Settings, families: Sequence[str]
) -> dict[str, Values]:
    """Textures of a segment by family, of intensities (z, y, x) in its box.

    Parameters
    ----------
    values : array (z, y, x)
        Intensities in the box of the segment, before re-segmentation.
    region : Region
        The segment.
    missing : int
        How many of its voxels have no value; textures of a segment with holes are refused.
    settings : Settings
        Re-segmentation, bins, aggregation, distance.
    families : sequence of str
        Among ``glcm``, ``glrlm``, ``glszm``, ``gldzm``, ``ngtdm``, ``ngldm``.

    Notes
    -----
    Neighbours are counted in voxels, as IBSI has it: resample to cubes first where voxels are none. With voxels
    missing, the neighbourhoods that matrices are made of would be made up.
    """
    names = {family: [definition.name for definition in texture_definitions(family)] for family in families}
    if missing:
        refused = Refused(f"{missing} voxels of the segment have no value")
        return {family: dict.fromkeys(members, refused) for family, members in names.items()}
    arguments = texture_settings(settings, families)
    if settings.resegment_range is not None:
        low, high = settings.resegment_range
        open_ended = [float("nan") if end is None else end for end in (low, high)]
        arguments["resegmentation_intensity_range"] = open_ended
    # What lies outside the segment takes no part, and mirp must not stumble over it.
    image = np.where(region.mask, values, values[region.mask].min()).astype(np.float32)
    with _quiet():
        try:
            tables = import_module("mirp").extract_features(
                image=image, mask=region.mask.astype(int), image_name="image", **arguments
            )
        except ValueError as error:
            # Intensities that cannot be binned as asked; the text names settings, no data.
            refused = Refused(f"mirp: {str(error).splitlines()[0]}")
            return {family: dict.fromkeys(members, refused) for family, members in names.items()}
    row = tables[0].iloc[0]
    return {family: _named(row, TEXTURES[family], members) for family, members in names.items()}


def _named(row: Any, prefix: str, names: Sequence[str]) -> Values:
    """Values of one family under our names."""
    found: Values = {}
    for name in names:
        pattern = re.compile(f"{prefix}_{name.split('_', 1)[1]}{_SUFFIX}")
        columns = [column for column in row.index if pattern.fullmatch(column)]
        found[name] = float(row[columns[0]]) if len(columns) == 1 else Refused("mirp gave no such number")
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without mirp's progress lines, and without its change of the root logger."""
    root, held = logging.getLogger(), logging.NullHandler()
    root.addHandler(held)
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        root.removeHandler(held)
