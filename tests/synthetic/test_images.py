from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from pydicom import dcmread

from workbench.synthetic.anatomy import CORE, FAT, LUNG, MUSCLE, TUMOUR
from workbench.synthetic.images import tumour_mask


def of(federation, headers, modality):
    """Series of one modality as (node, patient, study, plan, files)."""
    return [
        (node, patient, study, series, [path for path, _ in headers[node.name][series.uid]])
        for node, patient, study, series in federation.each_series()
        if series.protocol.modality == modality and series.state == "released"
    ]


def image(path):
    dataset = dcmread(path)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    return dataset, dataset.pixel_array * slope + intercept


def test_every_file_is_a_whole_dicom_file_with_the_identity_of_its_patient(federation, headers):
    for series in headers.values():
        for found in series.values():
            for path, header in found:
                assert path.read_bytes()[128:132] == b"DICM"
                assert header.PatientID == str(header.PatientName)
                assert header.PatientBirthDate == ""
                assert header.PatientIdentityRemoved == "YES"
                assert header.PatientAge[3] == "Y"
                for keyword in ("StudyDate", "StudyTime", "Manufacturer", "ManufacturerModelName", "BodyPartExamined",
                                "FrameOfReferenceUID", "PatientSex", "SeriesDescription"):  # fmt: skip
                    assert header.get(keyword), keyword
                assert header.file_meta.MediaStorageSOPInstanceUID == header.SOPInstanceUID


def test_instances_are_unique_and_belong_to_one_study(headers):
    owner: dict[str, str] = {}
    for node, series in headers.items():
        for uid, found in series.items():
            assert len({h.StudyInstanceUID for _, h in found}) == 1
            for _, h in found:
                assert owner.setdefault(str(h.SOPInstanceUID), f"{node}/{uid}") == f"{node}/{uid}"


def test_no_value_in_a_header_depends_on_the_clock(federation, headers):
    this_year = str(datetime.now().year)
    for series in headers.values():
        for found in series.values():
            for element in found[0][1].iterall():
                if element.VR in ("DA", "DT"):
                    assert not str(element.value).startswith(this_year), element


def test_ct_is_in_hounsfield_units_with_air_around_the_body(federation, headers):
    for _, patient, study, series, paths in of(federation, headers, "CT"):
        path = next(p for p in paths if dcmread(p, stop_before_pixels=True).InstanceNumber == 12)
        dataset, values = image(path)
        assert (dataset.PixelRepresentation, dataset.RescaleSlope, dataset.RescaleIntercept) == (1, 1, -1024)
        assert values[-2:].mean() == pytest.approx(-1000, abs=30)
        codes, mask = tumour_mask(patient, study, series)
        if mask[11].any() and patient.cancer == "lung":
            assert values[mask[11]].mean() > -200 > values[codes[11] == LUNG].mean()


def test_mr_is_unsigned_without_rescale_and_oblique_at_one_patient(federation, headers):
    oblique = 0
    for _, _, _, series, paths in of(federation, headers, "MR"):
        dataset = dcmread(paths[0], stop_before_pixels=True)
        assert dataset.PixelRepresentation == 0
        assert "RescaleSlope" not in dataset
        oblique += abs(float(dataset.ImageOrientationPatient[5])) > 0.1
        assert oblique or not series.protocol.oblique
    assert oblique >= 1


def test_pet_slopes_differ_and_the_tumour_takes_up_most(federation, headers):
    for _, patient, study, series, paths in of(federation, headers, "PT"):
        found = sorted((image(p) for p in paths), key=lambda pair: float(pair[0].ImagePositionPatient[2]))
        assert len({float(dataset.RescaleSlope) for dataset, _ in found}) > 5
        values = np.array([v for _, v in found])
        codes, mask = tumour_mask(patient, study, series)
        assert values[(codes == TUMOUR) | (codes == CORE)].max() == values.max()
        assert values[mask].mean() > 2 * values.mean()


def test_pet_headers_are_complete_for_the_standardised_uptake_value(federation, headers):
    for *_, paths in of(federation, headers, "PT"):
        h = dcmread(paths[0], stop_before_pixels=True)
        assert (h.Units, h.DecayCorrection) == ("BQML", "START")
        assert {"DECY", "ATTN"} <= set(h.CorrectedImage)
        assert float(h.PatientWeight) > 0
        tracer = h.RadiopharmaceuticalInformationSequence[0]
        assert float(tracer.RadionuclideTotalDose) > 1e8
        assert float(tracer.RadionuclideHalfLife) == 6586.2
        injected = datetime.strptime(tracer.RadiopharmaceuticalStartDateTime, "%Y%m%d%H%M%S")
        started = datetime.strptime(h.SeriesDate + h.SeriesTime, "%Y%m%d%H%M%S")
        assert 3600 <= (started - injected).total_seconds() < 5400
        assert h.SeriesTime <= h.AcquisitionTime


def test_pet_instance_numbers_run_from_top_to_bottom(federation, headers):
    *_, paths = of(federation, headers, "PT")[0]
    found = sorted((dcmread(p, stop_before_pixels=True) for p in paths), key=lambda h: int(h.InstanceNumber))
    heights = [float(h.ImagePositionPatient[2]) for h in found]
    assert heights == sorted(heights, reverse=True)


def test_syntaxes_differ_between_nodes_and_one_series_is_compressed(federation, headers):
    def syntaxes(node):
        return {str(h.file_meta.TransferSyntaxUID) for found in headers[node].values() for _, h in found}

    assert syntaxes("boreal") == {"1.2.840.10008.1.2.1"}
    assert syntaxes("cedro") == {"1.2.840.10008.1.2"}
    assert syntaxes("aurora") == {"1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"}
    assert len({str(found[0][1].Manufacturer) for node in headers for found in headers[node].values()}) == 4


def test_compressed_series_decodes_to_the_drawn_tissues(federation, headers):
    node, patient, study, series = next(item for item in federation.each_series() if item[3].compressed)
    codes, _ = tumour_mask(patient, study, series)
    for path, header in headers[node.name][series.uid]:
        values = dcmread(path).pixel_array
        k = int(header.InstanceNumber) - 1
        bright, dark = codes[k] == FAT, codes[k] == MUSCLE
        assert values[bright].mean() > 2 * values[dark].mean()
