"""Where each node puts its files: folders and names of a series, and the tables beside them.

Layouts as real nodes hand them over: studies linked into a data lake (``dataset-service``), folders named after
identifiers (``idc``), folders of any depth with short names (``plain``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from workbench.synthetic import clinical
from workbench.synthetic.plan import NodePlan, PatientPlan, SeriesPlan, StudyPlan, digest

#: Folder of the extracts, and of the data lake the dataset-service node links into.
EXTRACTS: Final = "extracts"
DATALAKE: Final = "datalake"
#: Collection of the idc node.
COLLECTION: Final = "boreal_thorax"


@dataclass(frozen=True)
class Layout:
    """One way to put an extract on a disk; folders are relative to the federation's folder."""

    #: Folder of a series, given its UID and modality.
    folder: Callable[[NodePlan, PatientPlan, StudyPlan, str, str, int], str]
    #: File name of an instance, given the patient, its SOPInstanceUID and its number in the series from 1.
    file_name: Callable[[PatientPlan, str, int], str]
    #: Writes entry file, links and clinical table once the images are there.
    finish: Callable[[Path, NodePlan, int], None]


def digits(uid: str) -> str:
    """The digits of a UID, as data lakes name folders."""
    return uid.replace(".", "")


def _lake_folder(
    node: NodePlan, patient: PatientPlan, study: StudyPlan, series_uid: str, modality: str, number: int
) -> str:
    return f"{DATALAKE}/{patient.patient_id}/{digits(study.uid)}/{digits(series_uid)}"


def _finish_dataset_service(root: Path, node: NodePlan, seed: int) -> None:
    extract = root / EXTRACTS / node.name
    entries: list[dict[str, Any]] = []
    for patient in node.patients:
        (extract / patient.patient_id).mkdir(parents=True)
        for study in patient.studies:
            link = extract / patient.patient_id / digits(study.uid)
            target = root / DATALAKE / patient.patient_id / digits(study.uid)
            link.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
            listed = []
            for series in study.series:
                if series.state != "unreleased":
                    listed.append({"folderName": digits(series.uid), "tags": [series.protocol.weighting]})
                if series.label_uid:
                    listed.append({"folderName": digits(series.label_uid), "tags": []})
            entries.append(
                {
                    "studyId": digest(seed, study.uid)[:24],
                    "studyName": study.name,
                    "subjectName": patient.patient_id,
                    "path": f"{patient.patient_id}/{digits(study.uid)}",
                    "series": listed,
                    "url": "",
                }
            )
    (extract / "index.json").write_bytes((json.dumps(entries, indent=1) + "\n").encode("ascii"))
    (extract / "eforms.json").write_bytes(clinical.eforms(node))


def _idc_folder(
    node: NodePlan, patient: PatientPlan, study: StudyPlan, series_uid: str, modality: str, number: int
) -> str:
    return f"{EXTRACTS}/{node.name}/{COLLECTION}/{patient.patient_id}/{study.uid}/{modality}_{series_uid}"


def _idc_file(patient: PatientPlan, sop_uid: str, number: int) -> str:
    return f"{UUID(hex=digest(0, sop_uid)[:32], version=4)}.dcm"


def _finish_idc(root: Path, node: NodePlan, seed: int) -> None:
    folder = root / EXTRACTS / node.name / "clinical"
    folder.mkdir(parents=True)
    (folder / f"{COLLECTION}_clinical.parquet").write_bytes(clinical.parquet(node))


def _plain_folder(
    node: NodePlan, patient: PatientPlan, study: StudyPlan, series_uid: str, modality: str, number: int
) -> str:
    # Two exports were put together: one flat, one a level deeper.
    box = "" if patient.index % 2 == 0 else "lote2/"
    return f"{EXTRACTS}/{node.name}/{box}D{patient.index + 1:02d}/E{study.timepoint}/S{number:03d}"


def _plain_file(patient: PatientPlan, sop_uid: str, number: int) -> str:
    return f"I{number:04d}" if patient.index % 2 == 0 else f"I{number:04d}.dcm"


def _finish_plain(root: Path, node: NodePlan, seed: int) -> None:
    extract = root / EXTRACTS / node.name
    (extract / "clinical.csv").write_bytes(clinical.spreadsheet(node))
    if node.outside_link:
        (extract / "vizinho").symlink_to(os.path.relpath(root / DATALAKE, extract), target_is_directory=True)


#: Layout name -> how it is written.
LAYOUTS: Final[Mapping[str, Layout]] = {
    "dataset-service": Layout(_lake_folder, lambda patient, uid, number: f"{uid}.dcm", _finish_dataset_service),
    "idc": Layout(_idc_folder, _idc_file, _finish_idc),
    "plain": Layout(_plain_folder, _plain_file, _finish_plain),
}


def copy_name(name: str) -> str:
    """Name of a second copy of a file, beside it."""
    stem, dot, suffix = name.partition(".dcm")
    return f"{stem}_copy{dot}{suffix}"


def series_folder(node: NodePlan, patient: PatientPlan, study: StudyPlan, series: SeriesPlan) -> str:
    """Folder of an image series, POSIX, relative to the federation's folder."""
    layout = LAYOUTS[node.style.layout]
    return layout.folder(node, patient, study, series.uid, series.protocol.modality, series.number)


def label_folder(node: NodePlan, patient: PatientPlan, study: StudyPlan, series: SeriesPlan) -> str:
    """Folder of the object that outlines the tumour on a series, POSIX, relative to the federation's folder."""
    layout = LAYOUTS[node.style.layout]
    return layout.folder(node, patient, study, series.label_uid, node.style.label, 100 + series.number)
