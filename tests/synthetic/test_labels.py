from __future__ import annotations

import numpy as np
import pytest
from pydicom import dcmread

from workbench.synthetic.images import tumour_mask
from workbench.synthetic.labels import outlines


def even_odd(rows, columns, polygons):
    """Crossing-number rule at pixel centres, polygons combined by exclusive or; slow and plain."""
    i, j = np.mgrid[:rows, :columns].astype(float)
    inside = np.zeros((rows, columns), dtype=bool)
    for polygon in polygons:
        for (i0, j0), (i1, j1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if i0 == i1:
                continue
            crosses = (i0 > i) != (i1 > i)
            inside ^= crosses & (j < (j1 - j0) * (i - i0) / (i1 - i0) + j0)
    return inside


def slices(headers, node, uid):
    """Images of a series ascending along the normal, the localiser left out."""
    images = [h for _, h in headers[node][uid] if "LOCALIZER" not in h.ImageType]
    unique = list({h.SOPInstanceUID: h for h in images}.values())
    orientation = np.array(unique[0].ImageOrientationPatient, dtype=float)
    normal = np.cross(orientation[:3], orientation[3:])
    return sorted(unique, key=lambda h: float(np.array(h.ImagePositionPatient, dtype=float) @ normal))


def labelled(federation):
    return [
        (node, patient, study, series) for node, patient, study, series in federation.each_series() if series.label_uid
    ]


@pytest.mark.parametrize("seed", range(20))
def test_outlines_give_any_mask_back(seed):
    mask = np.random.default_rng(seed).random((9, 11)) < 0.5
    assert (even_odd(9, 11, outlines(mask)) == mask).all()


def test_outlines_of_a_ring_are_two_closed_curves():
    ring = np.ones((7, 7), dtype=bool)
    ring[3, 3] = False
    assert len(outlines(ring)) == 2
    assert outlines(np.zeros((3, 3), dtype=bool)) == []


def test_structure_sets_filled_by_even_odd_equal_the_planted_masks(federation, headers):
    checked = 0
    for node, patient, study, series in labelled(federation):
        if node.style.label != "RTSTRUCT":
            continue
        ((path, _),) = headers[node.name][series.label_uid]
        images = slices(headers, node.name, series.uid)
        planes = {str(h.SOPInstanceUID): (k, h) for k, h in enumerate(images)}
        polygons: dict[int, list[list[tuple[float, float]]]] = {}
        for contour in dcmread(path).ROIContourSequence[0].ContourSequence:
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            k, h = planes[str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)]
            points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
            assert contour.NumberOfContourPoints == len(points)
            orientation = np.array(h.ImageOrientationPatient, dtype=float)
            offset = points - np.array(h.ImagePositionPatient, dtype=float)
            row = offset @ orientation[3:] / float(h.PixelSpacing[0])
            column = offset @ orientation[:3] / float(h.PixelSpacing[1])
            assert np.abs(offset @ np.cross(orientation[:3], orientation[3:])).max() < 1e-3
            polygons.setdefault(k, []).append(list(zip(row, column, strict=True)))
        _, mask = tumour_mask(patient, study, series)
        filled = np.array([even_odd(*mask.shape[1:], polygons.get(k, [])) for k in range(len(images))])
        assert (filled == mask).all()
        assert mask.any()
        checked += 1
    assert checked == federation.key["nodes"]["boreal"]["series"]["RTSTRUCT"]


def test_a_hole_is_a_second_contour_on_the_same_slice(federation, headers):
    lesion = next(item for item in federation.key["lesions"] if item["node"] == "boreal")
    ((path, _),) = headers["boreal"][lesion["label_series_uid"]]
    images = [
        str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)
        for contour in dcmread(path).ROIContourSequence[0].ContourSequence
    ]
    assert len(set(images)) < len(images)


def test_segmentations_equal_the_planted_masks(federation, headers):
    checked = 0
    for node, patient, study, series in labelled(federation):
        if node.style.label != "SEG":
            continue
        ((path, _),) = headers[node.name][series.label_uid]
        label = dcmread(path)
        frames = label.pixel_array.reshape(-1, label.Rows, label.Columns)
        places = [
            tuple(float(v) for v in f.PlanePositionSequence[0].ImagePositionPatient)
            for f in label.PerFrameFunctionalGroupsSequence
        ]
        _, mask = tumour_mask(patient, study, series)
        kept = {series.placement.point(k): mask[k] for k in range(len(mask)) if k not in series.dropped}
        assert set(places) == {place for place, plane in kept.items() if plane.any()}
        for place, frame in zip(places, frames, strict=True):
            assert (frame.astype(bool) == kept[place]).all()
        assert label.SegmentationType == "BINARY"
        assert label.FrameOfReferenceUID == series.frame_uid
        assert label.ReferencedSeriesSequence[0].SeriesInstanceUID == series.uid
        checked += 1
    assert checked == sum(federation.key["nodes"][node]["series"]["SEG"] for node in ("aurora", "cedro"))


def test_key_tells_volume_and_centroid_of_each_lesion(federation):
    plans = {series.uid: (patient, study, series) for _, patient, study, series in federation.each_series()}
    for lesion in federation.key["lesions"]:
        patient, study, series = plans[lesion["series_uid"]]
        _, mask = tumour_mask(patient, study, series)
        place = series.placement
        assert lesion["n_voxels"] == int(mask.sum())
        thickness = abs(np.dot(np.cross(place.row, place.column), place.step))
        assert lesion["volume_mm3"] == pytest.approx(
            mask.sum() * place.spacing[0] * place.spacing[1] * thickness, abs=1e-2
        )
        # Lobes and core move the centroid away from the centre of the ellipsoid, never further than its radius.
        drawn = np.array(patient.centre) + np.array(study.lesion.centre)
        assert np.linalg.norm(np.array(lesion["centroid_mm"]) - drawn) < 15


def test_every_lesion_is_inside_its_images(federation):
    for _, patient, study, series in labelled(federation):
        _, mask = tumour_mask(patient, study, series)
        assert mask.any()
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()
        assert not mask[:, :, [0, -1]].any()


def test_second_timepoint_shows_a_smaller_tumour(federation):
    volumes: dict[str, dict[int, float]] = {}
    for lesion in federation.key["lesions"]:
        volumes.setdefault(lesion["patient_id"], {})[lesion["timepoint"]] = lesion["volume_mm3"]
    both = [v for v in volumes.values() if len(v) == 2]
    assert both
    assert all(v[2] < v[1] for v in both)
