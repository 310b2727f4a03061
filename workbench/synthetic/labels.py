"""Tumour outlines as DICOM objects: SEG (one bit per voxel) and RTSTRUCT (closed contours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.synthetic.images import EXPLICIT, IMPLICIT, decimal, file_meta, patient_and_study, separate
from workbench.synthetic.plan import NodePlan, PatientPlan, SeriesPlan, StudyPlan, uid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: What the outlined region is called in both kinds of object.
LABEL_NAME: Final = "Tumour"
_RTSTRUCT: Final = "1.2.840.10008.5.1.4.1.1.481.3"
#: SNOMED CT code and meaning of the organ, by cancer.
_ORGAN: Final[Mapping[str, tuple[str, str]]] = {
    "lung": ("39607008", "Lung"),
    "breast": ("76752008", "Breast"),
    "prostate": ("41216001", "Prostate"),
}


def segmentation(
    seed: int,
    node: NodePlan,
    patient: PatientPlan,
    study: StudyPlan,
    series: SeriesPlan,
    images: Mapping[int, Dataset],
    mask: NDArray[np.bool_],
) -> Dataset:
    """Binary DICOM SEG of the tumour on the images of a series; frames without tumour are omitted.

    Parameters
    ----------
    images : dict
        Slice number -> image.
    mask : array (z, y, x)
        Where the tumour is.
    """
    import highdicom as hd
    from pydicom.sr.coding import Code

    slices = sorted(k for k in images if k >= 0)
    organ, meaning = _ORGAN[patient.cancer]
    description = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=LABEL_NAME,
        segmented_property_category=Code("49755003", "SCT", "Morphologically Abnormal Structure"),
        segmented_property_type=Code("108369006", "SCT", "Neoplasm"),
        algorithm_type="MANUAL",
        tracking_uid=uid(seed, patient.patient_id, "tumour"),
        tracking_id=f"{LABEL_NAME} 1",
        anatomic_regions=[Code(organ, "SCT", meaning)],
    )
    sources = [separate(images[k]) for k in slices]
    for source in sources:
        # The library takes a pseudonym for a mistyped name; the real one is set below.
        source.PatientName = ""
    label = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=mask[slices].astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[description],
        series_instance_uid=series.label_uid,
        series_number=100 + series.number,
        sop_instance_uid=uid(seed, series.label_uid, "instance"),
        instance_number=1,
        manufacturer="Imaginary Tools",
        manufacturer_model_name="Outliner",
        software_versions="1.0",
        device_serial_number="1",
        content_label="TUMOUR",
        series_description=f"{LABEL_NAME} outline",
        series_date=study.date,
        series_time=study.time,
        content_date=study.date,
        content_time=study.time,
        transfer_syntax_uid=IMPLICIT if node.style.implicit else EXPLICIT,
    )
    _settle(label, seed, series.label_uid, study)
    for keyword, value in patient_and_study(node, patient, study).items():
        setattr(label, keyword, value)
    return label


def _settle(label: Dataset, seed: int, series_uid: str, study: StudyPlan) -> None:
    """Replace what the library stamps with the time or draws at random, so that two runs write the same bytes."""
    label.InstanceCreationDate, label.InstanceCreationTime = study.date, study.time
    organization = uid(seed, series_uid, "dimensions")
    for item in (*label.DimensionOrganizationSequence, *label.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization
    if "ContributingEquipmentSequence" in label:
        del label.ContributingEquipmentSequence


def structure_set(
    seed: int,
    node: NodePlan,
    patient: PatientPlan,
    study: StudyPlan,
    series: SeriesPlan,
    images: Mapping[int, Dataset],
    mask: NDArray[np.bool_],
) -> Dataset:
    """RTSTRUCT of the tumour on the images of a series; a hole is a second closed contour inside the first.

    Parameters
    ----------
    images : dict
        Slice number -> image.
    mask : array (z, y, x)
        Where the tumour is; filling the contours by the even-odd rule at voxel centres gives it back.
    """
    slices = sorted(k for k in images if k >= 0)
    sop_instance = uid(seed, series.label_uid, "instance")
    label = _item(
        **patient_and_study(node, patient, study),
        InstanceCreationDate=study.date,
        InstanceCreationTime=study.time,
        SOPClassUID=_RTSTRUCT,
        SOPInstanceUID=sop_instance,
        Modality="RTSTRUCT",
        Manufacturer="Imaginary Tools",
        ManufacturerModelName="Outliner",
        SoftwareVersions="1.0",
        SeriesDescription=f"{LABEL_NAME} outline",
        SeriesDate=study.date,
        SeriesTime=study.time,
        SeriesInstanceUID=series.label_uid,
        SeriesNumber=100 + series.number,
        InstanceNumber=1,
        OperatorsName="",
        StructureSetLabel="TUMOUR",
        StructureSetDate=study.date,
        StructureSetTime=study.time,
        FrameOfReferenceUID=series.frame_uid,
    )
    references = [_reference(images[k]) for k in slices]
    study_reference = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=study.uid,
        RTReferencedSeriesSequence=[_item(SeriesInstanceUID=series.uid, ContourImageSequence=references)],
    )
    label.ReferencedFrameOfReferenceSequence = [
        _item(FrameOfReferenceUID=series.frame_uid, RTReferencedStudySequence=[study_reference])
    ]
    label.StructureSetROISequence = [
        _item(
            ROINumber=1,
            ReferencedFrameOfReferenceUID=series.frame_uid,
            ROIName=LABEL_NAME,
            ROIGenerationAlgorithm="MANUAL",
        )
    ]
    contours = []
    for k in slices:
        for polygon in outlines(mask[k]):
            points = [decimal(v) for i, j in polygon for v in series.placement.point(k, i, j)]
            contours.append(
                _item(
                    ContourImageSequence=[_reference(images[k])],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(polygon),
                    ContourData=points,
                )
            )
    label.ROIContourSequence = [
        _item(ROIDisplayColor=["255", "60", "60"], ContourSequence=contours, ReferencedROINumber=1)
    ]
    label.RTROIObservationsSequence = [
        _item(ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="GTV", ROIInterpreter="")
    ]
    label.ApprovalStatus = "UNAPPROVED"
    label.file_meta = file_meta(_RTSTRUCT, sop_instance, IMPLICIT if node.style.implicit else EXPLICIT)
    return label


def outlines(mask: NDArray[np.bool_]) -> Sequence[list[tuple[float, float]]]:
    """Closed outlines of a mask (y, x), vertices (row, column) in pixels, the first not repeated at the end.

    Every vertex lies halfway between the centre of a pixel inside and one outside, so no outline passes
    through a centre, and the even-odd rule at the centres gives the mask back.

    Examples
    --------
    >>> outlines(np.eye(1, dtype=bool))
    [[(0.5, 0.0), (0.0, -0.5), (-0.5, 0.0), (0.0, 0.5)]]
    """
    from skimage.measure import find_contours

    if not mask.any():
        return []
    # One pixel of margin closes the outlines of what touches the border.
    contours = find_contours(np.pad(mask, 1).astype(np.float64), 0.5)
    return [[(float(i) - 1.0, float(j) - 1.0) for i, j in contour[:-1]] for contour in contours]


def _reference(image: Dataset) -> Dataset:
    return _item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)


def _item(**attributes: Any) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item
