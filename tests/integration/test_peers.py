"""What other readers are known to get wrong on irregular input, and what we give on the same files.

A peer's failure is asserted as well, so that we notice when it is mended. The files and their truth are those of
``benchmarks/irregular_inputs.py``; SimpleITK comes with the extra ``bench``. MONAI is no dependency of any extra: what
it is known for (its issues 8468 and 3914) is held on our side alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.pixels import apply_modality_lut

from benchmarks.irregular import Child, attempt
from benchmarks.irregular_files import Frame, place
from benchmarks.irregular_inputs import CASES, EVEN, Case, slices, with_localiser
from benchmarks.irregular_readers import READERS, Answer, Refusal, of_workbench
from benchmarks.irregular_truth import compare, judge
from tests.conftest import absent
from tests.tries import tries
from workbench.errors import UnstackableSeries

pytestmark = pytest.mark.slow

BY_NAME = {case.name: case for case in CASES}
#: highdicom's one message for every irregularity of single-frame series.
ONE_MESSAGE = "Series is not a regularly-spaced volume"

Written = Callable[[str], tuple[Path, list[Frame]]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Folder and truth of a case by name."""

    def write(name: str) -> tuple[Path, list[Frame]]:
        folder = tmp_path / name
        folder.mkdir()
        return folder, BY_NAME[name].write(folder)

    return write


@pytest.fixture(scope="module")
def sitk() -> Any:
    try:
        import SimpleITK
    except ImportError:
        absent("SimpleITK (extra bench)", "bench")
    return SimpleITK


def opened(folder: Path, **options: Any) -> xr.Dataset:
    return xr.open_dataset(folder, engine="dicom", **options).load()


def by_simpleitk(folder: Path) -> Any:
    return READERS["SimpleITK"].read(folder)


def by_highdicom(folder: Path) -> Any:
    return READERS["highdicom"].read(folder)


def test_a_missing_slice_keeps_true_distances(written: Written, sitk: Any, capfd: pytest.CaptureFixture[str]) -> None:
    folder, _ = written("gap")
    assert by_simpleitk(folder).GetSpacing()[2] == pytest.approx(2.5)
    assert "Non uniform sampling or missing slices" in capfd.readouterr().err

    ds = opened(folder)
    assert ds.attrs["geometry"] == "gaps"
    assert ds.attrs["findings"] == "slices-missing"
    np.testing.assert_allclose(np.diff(ds["z"]), [2, 2, 4, 2])
    assert "affine" not in ds.coords


def test_a_second_image_at_one_place_is_refused_by_name_of_both_files(written: Written, sitk: Any) -> None:
    folder, _ = written("same-place")
    assert by_simpleitk(folder).GetSpacing()[2] == pytest.approx(10 / 15, abs=1e-3)

    with pytest.raises(UnstackableSeries, match=r"2 images at 34.00 mm \(IM0003.dcm, IM0007.dcm\)"):
        opened(folder)


def test_a_tilt_is_kept_in_the_affine(written: Written, sitk: Any, capfd: pytest.CaptureFixture[str]) -> None:
    folder, _ = written("tilt")
    image = by_simpleitk(folder)
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert image.GetSpacing()[2] == pytest.approx(2.0706, abs=1e-4)
    assert capfd.readouterr().err == ""

    ds = opened(folder)
    assert ds.attrs["geometry"] == "sheared"
    assert ds.attrs["shear_deg"] == pytest.approx(15, abs=1e-4)
    drift = 2 * np.tan(np.radians(15))
    expected = [[0, 0, 0.8, -10], [drift, 0.5, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1]]
    np.testing.assert_allclose(ds["affine"], expected, atol=1e-5)


def test_two_b_values_become_a_dimension(written: Written, sitk: Any) -> None:
    folder, truth = written("b-values")
    image = by_simpleitk(folder)
    assert image.GetSize() == (8, 8, 12)
    assert image.GetSpacing()[2] == pytest.approx(10 / 11, abs=1e-4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image)[:, 0, 0], [frame.values[0, 0] for frame in truth])

    ds = opened(folder)
    assert ds["image"].dims == ("b_value", "z", "y", "x")
    assert ds["b_value"].values.tolist() == [0, 800]
    np.testing.assert_array_equal(ds["image"].sel(b_value=800), [frame.values for frame in truth[1::2]])


def test_a_slope_per_slice_is_not_rounded(written: Written, sitk: Any) -> None:
    folder, _ = written("slopes")
    array = sitk.GetArrayFromImage(by_simpleitk(folder))
    assert array.dtype == np.int16
    assert array[:, 0, 0].tolist() == [3, 4, 6, 7, 9, 10]

    image = opened(folder)["image"]
    assert image.dtype == np.float32
    assert image[:, 0, 0].values.tolist() == [3, 4.5, 6, 7.5, 9, 10.5]


@pytest.mark.parametrize("name", ["gap", "same-place", "tilt", "jitter-0.1", "b-values"])
def test_highdicom_has_one_message_for_five_causes(name: str, written: Written) -> None:
    with pytest.raises(ValueError, match=ONE_MESSAGE):
        by_highdicom(written(name)[0])


def test_the_five_causes_have_five_verdicts(written: Written) -> None:
    assert opened(written("gap")[0]).attrs["geometry"] == "gaps"
    assert opened(written("tilt")[0]).attrs["geometry"] == "sheared"
    assert opened(written("jitter-0.1")[0]).attrs["geometry"] == "variable"
    with pytest.raises(UnstackableSeries, match="no tag"):
        opened(written("same-place")[0])
    b_values = opened(written("b-values")[0])
    assert (b_values.attrs["geometry"], b_values["image"].dims[0]) == ("regular", "b_value")


def test_a_missing_frame_is_never_filled_with_water(written: Written) -> None:
    folder, truth = written("enhanced-gap")
    volume = highdicom.imread(folder / "enhanced.dcm").get_volume(allow_missing_positions=True)
    filled = [frame for frame in volume.array if (frame == 0).all()]
    assert len(filled) == 1

    ds = opened(folder)
    assert ds.attrs["geometry"] == "gaps"
    np.testing.assert_array_equal(ds["image"], [frame.values for frame in truth])


def test_a_gap_is_filled_with_nan_only_when_asked(written: Written) -> None:
    even = opened(written("enhanced-gap")[0]).patient.fill_gaps()
    assert even["observed"].values.tolist() == [True, True, True, False, True, True]
    assert np.isnan(even["image"][3]).all()
    assert even["image"].dtype == np.float32


def test_an_integer_ct_stays_in_16_bits(written: Written) -> None:
    folder, truth = written("reversed")
    volume = by_highdicom(folder)
    assert volume.array.dtype == np.float64

    image = opened(folder)["image"]
    assert image.dtype == np.int16
    np.testing.assert_array_equal(image, [frame.values for frame in truth])
    np.testing.assert_array_equal(volume.array[::-1], image)


def test_a_rescale_per_frame_is_applied(written: Written) -> None:
    folder, truth = written("enhanced")
    dataset = pydicom.dcmread(folder / "enhanced.dcm")
    np.testing.assert_array_equal(apply_modality_lut(dataset.pixel_array, dataset), dataset.pixel_array)

    ds = opened(folder)
    np.testing.assert_allclose(ds["image"], [frame.values for frame in truth])
    assert ds["image"].attrs["units"] == "[hnsf'U]"


def test_a_multi_frame_object_has_the_affine_of_its_functional_groups_or_none(written: Written, sitk: Any) -> None:
    folder, _ = written("enhanced-gap")
    # Lengths of 1 mm where the frames are uneven, and no word about it.
    assert by_simpleitk(folder).GetSpacing()[:3] == (1, 1, 1)

    placed = opened(written("enhanced-order")[0])
    np.testing.assert_allclose(placed["affine"], [[0, 0, 0.8, -10], [0, 0.5, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1]])
    unplaced = opened(written("enhanced-unplaced")[0])
    assert unplaced.attrs["geometry"] == "unplaced"
    assert not {"affine", "position"} & set(unplaced.coords)


def test_world_is_lps_and_turns_to_ras_at_export_alone(written: Written, sitk: Any) -> None:
    folder, _ = written("shuffled")
    ds = opened(folder)
    image = by_simpleitk(folder)
    np.testing.assert_allclose(ds["affine"].values[:3, 3], image.GetOrigin())
    assert image.TransformIndexToPhysicalPoint((1, 2, 3)) == pytest.approx(
        tuple((ds["affine"].values @ [3, 2, 1, 1])[:3])
    )

    ras = ds.patient.to_nifti().affine
    np.testing.assert_allclose(ras @ [1, 2, 3, 1], np.diag([-1, -1, 1, 1]) @ ds["affine"].values @ [3, 2, 1, 1])


@settings(max_examples=tries(15), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.permutations(range(13)))
def test_the_order_of_files_changes_nothing(order: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Mixed orientation, a localiser inside, any file names."""
    folder = tmp_path_factory.mktemp("any order")
    names = dict(enumerate(order))
    truth = with_localiser(folder) + slices(folder, first=8, orientation=(0, 1, 0, 0, 0, -1))
    for i, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{names[i]:02d}")
    answer = of_workbench(READERS["workbench"].read(folder))
    assert compare(truth, answer) == []
    assert answer.shapes == ((6, 8, 8), (6, 8, 8), (1, 8, 8))
    assert "several-parts" in answer.said


#: What we give for each input: the verdict, and the findings on the Dataset or the error.
OURS = """
gap                   right    slices-missing
same-place            refused  UnstackableSeries
copy                  right    duplicate-instance
one-uid-two-pictures  refused  UnstackableSeries
tilt                  right    gantry-tilt
jitter-0.1            right    spacing-uneven
jitter-0.01           right
variable              right    spacing-uneven
displaced             right    slices-displaced
b-values              right
echoes                right
echoes-times          right
ragged                right    ragged-stack
slopes                right
localiser             right    several-parts single-slice
matrices              right    several-parts
orientations          right    several-parts
reversed              right
shuffled              right
numbers               right
enhanced              right
enhanced-gap          right    slices-missing
enhanced-order        right
enhanced-unplaced     right    multi-frame-unplaced
pet                   right
dose                  right
radiograph            right
ultrasound            right    unplaced
palette               right    unplaced
thickness             right
spacing-tag           right
monochrome1           right
implicit              right
big-endian            right
deflated              right
no-preamble           right
cut-middle            said     file-truncated slices-missing
cut-last              said     file-truncated
jpeg-ls               right
mosaic                right
mosaic-down           right
mosaic-no-csa         said     mosaic-order-assumed
mosaic-stripped       said     mosaic unplaced
philips-b             right
b-stripped            right    b-value-unknown time-order-from-instance-number
"""
EXPECTED = {row.split()[0]: row.split()[1:] for row in OURS.strip().splitlines()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_we_give_for_each_input(case: Case, tmp_path: Path) -> None:
    truth = case.write(tmp_path)
    answer = attempt("workbench", tmp_path)
    if isinstance(answer, Refusal):
        found = ["refused", answer.kind]
    else:
        outcome = judge(truth, answer, codes=case.codes)
        found = [outcome.verdict, *answer.said]
    assert found == EXPECTED[case.name], answer if isinstance(answer, Refusal) else outcome.words


@settings(max_examples=tries(12), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.one_of(st.floats(0, 0.009), st.floats(0.011, 0.3)), slice_=st.integers(1, 4))
def test_one_slice_off_by_more_than_1_percent_of_a_step_costs_the_affine(
    share: float, slice_: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("jitter")
    slices(folder, [depth + (2 * share if k == slice_ else 0) for k, depth in enumerate(EVEN)])
    ds = opened(folder)
    assert ds.attrs["geometry"] == ("regular" if share < 0.01 else "variable")
    assert ("affine" in ds.coords) == (share < 0.01)


def test_the_judge_sees_a_wrong_place_a_wrong_value_and_a_missing_image() -> None:
    truth = [Frame(np.full((2, 2), float(k)), place(d), keys={"time": k}) for k, d in enumerate(EVEN)]

    def problems(frames: list[Frame]) -> list[str]:
        return compare(truth, Answer(tuple(frames), ((1, 1, 1),), "int16", 2.0))

    assert problems(truth) == problems(truth[::-1]) == []
    assert problems(truth[1:]) == ["1 of 6 images absent"]
    assert problems([*truth, truth[0]]) == ["1 image too many"]
    assert problems([*truth[1:], Frame(np.full((2, 2), 9.0), place(0), keys={"time": 0})]) == [
        "values of 1 of 6 images wrong"
    ]
    assert problems([Frame(f.values, place(d + 1), keys=f.keys) for f, d in zip(truth, EVEN, strict=True)]) == [
        "places off by up to 1 mm"
    ]
    assert problems([Frame(f.values, f.position) for f in truth]) == ["time not told"]
    assert problems([Frame(f.values, f.position, keys={"time": 5 - f.keys["time"]}) for f in truth]) == [
        "time mixed up"
    ]


def test_a_reader_that_dies_costs_one_answer(written: Written) -> None:
    folder, _ = written("gap")
    child = Child("pydicom")
    child._process.kill()
    child._process.join()
    died, after = child.read(folder), child.read(folder)
    child.close()
    assert isinstance(died, Refusal)
    assert died.kind == "crash"
    assert isinstance(after, Answer)


#: What each peer does with each input; a change here means that a peer has changed.
PEERS = """
case                  SimpleITK highdicom pydicom
gap                   said      refused   wrong
same-place            said      refused   wrong
copy                  said      refused   wrong
one-uid-two-pictures  said      refused   wrong
tilt                  wrong     refused   wrong
jitter-0.1            said      refused   wrong
jitter-0.01           right     right     right
variable              said      refused   wrong
displaced             said      refused   wrong
b-values              said      refused   wrong
echoes                said      refused   wrong
echoes-times          said      refused   wrong
ragged                said      refused   wrong
slopes                wrong     right     right
localiser             wrong     refused   wrong
matrices              refused   refused   refused
orientations          said      refused   wrong
reversed              right     right     right
shuffled              right     right     right
numbers               right     right     right
enhanced              wrong     right     wrong
enhanced-gap          wrong     refused   wrong
enhanced-order        wrong     right     wrong
enhanced-unplaced     refused   refused   wrong
pet                   right     right     right
dose                  wrong     refused   wrong
radiograph            right     refused   right
ultrasound            wrong     refused   right
palette               wrong     refused   wrong
thickness             right     right     right
spacing-tag           right     right     right
monochrome1           wrong     wrong     right
implicit              right     right     right
big-endian            right     right     right
deflated              right     right     right
no-preamble           right     refused   refused
cut-middle            said      refused   refused
cut-last              wrong     refused   refused
jpeg-ls               right     right     right
mosaic                wrong     wrong     wrong
mosaic-down           wrong     wrong     wrong
mosaic-no-csa         wrong     wrong     wrong
mosaic-stripped       wrong     wrong     wrong
philips-b             said      refused   wrong
b-stripped            said      refused   wrong
"""


@pytest.mark.parametrize("name", ["SimpleITK", "highdicom", "pydicom"])
def test_the_peers_do_what_the_page_says_of_them(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if name == "SimpleITK":
        request.getfixturevalue("sitk")
    header, *rows = (line.split() for line in PEERS.strip().splitlines())
    expected = {row[0]: row[header.index(name)] for row in rows}
    found = {}
    for case in CASES:
        folder = tmp_path / case.name
        folder.mkdir()
        truth = case.write(folder)
        answer = attempt(name, folder)
        verdict = "refused" if isinstance(answer, Refusal) else judge(truth, answer).verdict
        found[case.name] = verdict.removeprefix("silently ")
    assert found == expected
