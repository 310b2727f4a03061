"""Seven sarcoma patients, CT, MR and PET: our features against the spread of up to nine radiomics teams.

The teams resampled before they measured (IBSI validation study, Zwanenburg et al., Radiology 2020, 295:328-338): image
by cubic spline, mask linearly and cut at one half, onto cubes of 1 mm (PET 3 mm) that share the centre of the image;
CT rounded to whole HU. CT counts from -200 to 200 HU, MR and PET from 0 on. The same is done here, so that the
definitions are the same and every one of the 15 features of 21 images is compared; none is left out. At the spacing of
the images themselves none of them would be comparable, least of all extremes, which interpolation changes.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import workbench as wb
from tests.integration import sarcoma
from workbench.arrays import from_array
from workbench.measure.crop import region
from workbench.measure.features import features
from workbench.measure.mesh import Mesh
from workbench.measure.settings import Settings

pytestmark = [pytest.mark.data, pytest.mark.slow]

SPACING = {"CT": 1.0, "MR_T1": 1.0, "PET": 3.0}
RANGE = {"CT": (-200, 200), "MR_T1": (0, None), "PET": (0, None)}
CASES = [(patient, kind) for _, patients in sarcoma.NODES.values() for patient in patients for kind in sarcoma.KINDS]
#: Figures are printed with six digits.
PRINTED = 1e-5
#: Features that hang on how a mesh is drawn where corners of a cube are ambiguous. Two published variants of
#: marching cubes differ there, and so do the teams: the spread is widened by the difference of the two.
OF_MESH = {"morph_volume", "morph_area_mesh", "morph_sphericity"}
#: Percentiles lie between two ranks, and software differs in which one it takes, or whether it goes between.
RANKS = {"stat_p10": 10, "stat_median": 50, "stat_p90": 90}
#: Voxels around the segment that a cubic spline looks at, as far as float32 can tell.
MARGIN = 16


@pytest.fixture(scope="module")
def consensus(data_dir: Path) -> dict[tuple[str, str], dict[str, tuple[float, float]]]:
    """(patient, kind) -> tag -> quartiles over the teams."""
    found: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    with open(data_dir / "sts" / "team_consensus.csv", newline="") as file:
        for row in csv.DictReader(file):
            spread = float(row["q25"]), float(row["q75"])
            found.setdefault((row["patient"], row["modality"]), {})[row["tag"]] = spread
    return found


@pytest.fixture(scope="module")
def cohort(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    out = tmp_path_factory.mktemp("sarcoma")
    return wb.open_cohort(list(sarcoma.lay_out(data_dir / "sts", out).values()), link_roots=[out / "datalake"])


def on_cubes(ds: xr.Dataset, mm: float, *, rounded: bool) -> xr.Dataset:
    """Image and mask on cubes of *mm* that share the centre of the image, IBSI 2.4."""
    grid, mask = ds.patient.grid, ds["mask"].isel(segment=0)
    spacing, shape = np.array(grid.spacing), np.array(ds["image"].shape)
    count = np.ceil(np.round(shape * spacing / mm, 6)).astype(int)
    affine = grid.affine.copy()
    affine[:3, :3] *= mm / spacing
    affine[:3, 3] += grid.affine[:3, :3] @ ((shape - 1) / 2) - affine[:3, :3] @ ((count - 1) / 2)
    # Only around the segment, on the same cubes.
    box = region(mask, grid).box
    ends = np.array([[side.start, side.stop - 1] for side in box])
    places = ((ends - (shape[:, None] - 1) / 2) * spacing[:, None] / mm) + (count[:, None] - 1) / 2
    first = np.clip(np.floor(places[:, 0]).astype(int) - 2, 0, None)
    last = np.clip(np.ceil(places[:, 1]).astype(int) + 3, None, count)
    affine[:, 3] = affine @ (*first, 1)
    target = from_array(np.zeros(last - first, np.uint8), affine)
    around = {
        axis: slice(max(0, side.start - MARGIN), side.stop + MARGIN) for axis, side in zip("zyx", box, strict=True)
    }
    near = ds[["image"]].assign(soft=mask.drop_vars("segment").astype(np.float32)).isel(around).load()
    image = near[["image"]].patient.resample_like(target, method="cubic", check_frame=False)["image"]
    soft = near[["soft"]].patient.resample_like(target, method="linear", check_frame=False)["soft"]
    return target.drop_vars("image").assign(image=np.rint(image) if rounded else image, mask=soft.fillna(0) >= 0.5)


def other_mesh(ds: xr.Dataset) -> dict[str, float]:
    """Features of the mesh by the original marching cubes (Lorensen and Cline 1987)."""
    from skimage.measure import marching_cubes

    found = region(ds["mask"], ds.patient.grid)
    padded = np.pad(found.mask, 1).astype(np.float32)
    corners, faces, _, _ = marching_cubes(padded, 0.5, spacing=found.spacing, method="lorensen")
    mesh = Mesh(corners.astype(np.float64), faces)
    volume, area = mesh.volume(), mesh.area()
    sphericity = (36 * np.pi * volume**2) ** (1 / 3) / area
    return {"morph_volume": volume, "morph_area_mesh": area, "morph_sphericity": sphericity}


@pytest.mark.parametrize(("patient", "kind"), CASES)
def test_every_feature_lies_within_the_spread_of_the_teams(
    data_dir: Path,
    cohort: wb.Cohort,
    consensus: dict[tuple[str, str], dict[str, tuple[float, float]]],
    patient: str,
    kind: str,
) -> None:
    loaded = cohort.load(sarcoma.read_slices(data_dir / "sts", patient, kind).uid, masks=True)
    ds = on_cubes(loaded, SPACING[kind], rounded=kind == "CT")
    low, high = RANGE[kind]
    table = features(ds, settings=Settings(resegment_range=(low, high)))
    found = dict(zip(table["ibsi"], table["value"], strict=True))
    expected = consensus[patient, kind]
    assert len(expected) == 15
    variant = other_mesh(ds)
    values = ds["image"].values[ds["mask"].values]
    counted = values[(values >= low) & (values <= (np.inf if high is None else high))]
    for tag, (q25, q75) in expected.items():
        value = found[tag]
        least = most = value
        if tag in OF_MESH:
            apart = abs(variant[tag] - value)
            least, most = value - apart, value + apart
        elif tag in RANKS:
            least, most = (float(np.percentile(counted, RANKS[tag], method=end)) for end in ("lower", "higher"))
            least, most = min(least, value), max(most, value)
        slack = PRINTED * max(abs(q25), abs(q75))
        if tag == "stat_min":
            # Interpolated in float32: good to the last digit of the largest intensities around.
            slack += float(np.finfo(np.float32).eps * np.abs(values).max())
        assert most >= q25 - slack, f"{tag}: {value} below {q25}"
        assert least <= q75 + slack, f"{tag}: {value} above {q75}"
