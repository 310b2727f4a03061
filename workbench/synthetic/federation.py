"""A make-believe federation on disk, with its answer key."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from workbench.errors import UsageError, WriteError
from workbench.progress import task
from workbench.synthetic import shelf
from workbench.synthetic.draws import make_plan
from workbench.synthetic.faults import DEFAULT_FAULTS, FAULTS, Planted, chosen, plant
from workbench.synthetic.layouts import (
    DATALAKE,
    EXTRACTS,
    LAYOUTS,
    copy_name,
    label_folder,
    series_folder,
)
from workbench.synthetic.plan import FederationPlan, NodePlan, PatientPlan, SeriesPlan, StudyPlan

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Raised whenever the same arguments give other bytes than before.
GENERATOR: Final = 1
#: Fewest patients: one at each node.
MINIMUM_PATIENTS: Final = 3
_STRAY_TEXT: Final = b"Export finished. This is a note, not an image.\n"
#: Findings a layout gives by nature, without a planted fault.
_BY_NATURE: Final = {"plain": ["clinical-dialect", "clinical-encoding"]}


def write_federation(
    out: str | os.PathLike[str],
    *,
    patients: int = 24,
    seed: int = 0,
    faults: Iterable[str] | str = DEFAULT_FAULTS,
    truth: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Answer key of three invented hospitals' extracts, written below a folder; volumes in mm³, places in LPS mm.

    ``out/extracts/aurora`` (layout dataset-service, its studies linked into ``out/datalake``),
    ``out/extracts/boreal`` (idc) and ``out/extracts/cedro`` (plain). The same arguments give the same bytes.

    Parameters
    ----------
    out : path
        New or empty folder. One that holds a whole federation of the same arguments is left as it is; one that
        holds another federation has it replaced.
    patients : int, default 24
        Patients over all nodes, at least 3, shared out evenly.
    seed : int, default 0
        Seed of everything that is drawn; 0 or more.
    faults : iterable of str, or str
        Names of :data:`FAULTS`, or ``"all"`` or ``"none"``.
    truth : path, optional
        File the answer key is written to, as JSON.

    Returns
    -------
    dict
        ``arguments``, ``nodes`` (counts of what was handed over), ``lesions``, ``faults``, ``patients`` (true
        clinical values).

    Raises
    ------
    UsageError
        For fewer than 3 patients, an unknown fault, or a folder with somebody else's files.
    WriteError
        Where the disk is full or refuses; nothing is left under the final name.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     key = write_federation(f"{folder}/demo", patients=3, faults="none")
    >>> [(name, node["patients"]) for name, node in key["nodes"].items()]
    [('aurora', 1), ('boreal', 1), ('cedro', 1)]
    """
    names = chosen(faults)
    if patients < MINIMUM_PATIENTS:
        raise UsageError(f"{patients} patients are too few", remedy=f"ask for {MINIMUM_PATIENTS} or more")
    if seed < 0:
        raise UsageError(f"seed cannot be {seed}", remedy="use a whole number of 0 or more")
    target = Path(os.path.abspath(Path(out).expanduser()))
    arguments = {"faults": list(names), "generator": GENERATOR, "patients": patients, "seed": seed}
    try:
        old = shelf.recorded(target)
        if old is not None and old.get("arguments") == arguments and shelf.is_whole(target, old):
            key: dict[str, Any] = old["key"]
        else:
            key = _write(target, arguments, names, old)
        if truth is not None:
            destination = Path(truth).expanduser()
            destination.parent.mkdir(parents=True, exist_ok=True)
            shelf.write_json(destination, key)
    except OSError as error:
        raise WriteError(
            f"federation could not be written: {error.strerror or error}",
            file=str(error.filename or target),
            remedy="make room or name another folder",
        ) from error
    return key


def _write(
    target: Path, arguments: dict[str, Any], names: tuple[str, ...], old: dict[str, Any] | None
) -> dict[str, Any]:
    plan, planted = plant(make_plan(patients=arguments["patients"], seed=arguments["seed"]), names)
    staging = shelf.staging_folder(target)
    try:
        writer = _Writer(staging, plan)
        total = sum(len(s.series) for node in plan.nodes for p in node.patients for s in p.studies)
        with task("writing federation", total, unit="series") as advance:
            for node in plan.nodes:
                for patient in node.patients:
                    for study in patient.studies:
                        for series in study.series:
                            if series.state != "absent":
                                writer.add(node, patient, study, series)
                            advance(1)
                LAYOUTS[node.style.layout].finish(staging, node, plan.seed)
        key = _answer_key(arguments, plan, planted, writer)
        record = {"arguments": arguments, "complete": True, "files": shelf.listing(staging), "key": key}
        shelf.put(staging, target, record, old)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return key


class _Writer:
    """Writes series into a folder and keeps count of what it wrote."""

    def __init__(self, root: Path, plan: FederationPlan) -> None:
        self.root = root
        self.seed = plan.seed
        #: node -> modality -> series handed over.
        self.series: dict[str, Counter[str]] = {node.name: Counter() for node in plan.nodes}
        #: node -> DICOM instances handed over, copies not counted.
        self.instances: Counter[str] = Counter()
        self.lesions: list[dict[str, Any]] = []

    def add(self, node: NodePlan, patient: PatientPlan, study: StudyPlan, series: SeriesPlan) -> None:
        """Write one image series and the object that outlines the tumour on it."""
        from workbench.synthetic.images import image_datasets, tumour_mask

        codes, mask = tumour_mask(patient, study, series)
        images = image_datasets(self.seed, node, patient, study, series, codes)
        self._write_images(node, patient, study, series, images)
        if series.state == "released":
            self.series[node.name][series.protocol.modality] += 1
            self.instances[node.name] += len(images)
        if series.label_uid:
            self._write_label(node, patient, study, series, images, mask)

    def _write_images(
        self, node: NodePlan, patient: PatientPlan, study: StudyPlan, series: SeriesPlan, images: dict[int, Dataset]
    ) -> None:
        from workbench.synthetic.images import to_bytes

        folder = self.root / series_folder(node, patient, study, series)
        folder.mkdir(parents=True)
        for k, image in images.items():
            content = to_bytes(image)
            if k in series.truncated:
                content = content[: len(content) - len(image.PixelData) // 2]
            number = int(image.InstanceNumber)
            name = LAYOUTS[node.style.layout].file_name(patient, str(image.SOPInstanceUID), number)
            (folder / name).write_bytes(content)
            if k in series.duplicated:
                (folder / copy_name(name)).write_bytes(content)
        if series.stray_text:
            (folder / "note.dcm").write_bytes(_STRAY_TEXT)

    def _write_label(
        self,
        node: NodePlan,
        patient: PatientPlan,
        study: StudyPlan,
        series: SeriesPlan,
        images: dict[int, Dataset],
        mask: Any,
    ) -> None:
        from workbench.synthetic.images import to_bytes
        from workbench.synthetic.labels import segmentation, structure_set

        kind = node.style.label
        make = segmentation if kind == "SEG" else structure_set
        label = make(self.seed, node, patient, study, series, images, mask)
        folder = self.root / label_folder(node, patient, study, series)
        folder.mkdir(parents=True)
        name = LAYOUTS[node.style.layout].file_name(patient, str(label.SOPInstanceUID), 1)
        (folder / name).write_bytes(to_bytes(label))
        self.series[node.name][kind] += 1
        self.instances[node.name] += 1
        self.lesions.append(
            {
                "node": node.name,
                "patient_id": patient.patient_id,
                "timepoint": study.timepoint,
                "series_uid": series.uid,
                "label_series_uid": series.label_uid,
                "label_kind": kind,
                **_measures(series, mask),
            }
        )


def _measures(series: SeriesPlan, mask: Any) -> dict[str, Any]:
    """Voxels, mm³ and centroid (LPS mm) of a mask."""
    where = np.argwhere(mask)
    n = len(where)
    k, i, j = (int(total) / n for total in where.sum(axis=0))
    return {
        "n_voxels": n,
        "volume_mm3": round(n * series.placement.voxel_volume, 3),
        "centroid_mm": [round(v, 3) for v in series.placement.point(k, i, j)],
    }


def _answer_key(
    arguments: dict[str, Any], plan: FederationPlan, planted: dict[str, Planted], writer: _Writer
) -> dict[str, Any]:
    nodes = {}
    for node in plan.nodes:
        states = Counter(s.state for p in node.patients for study in p.studies for s in study.series)
        nodes[node.name] = {
            "layout": node.style.layout,
            "path": f"{EXTRACTS}/{node.name}",
            "link_roots": [DATALAKE] if node.style.layout == "dataset-service" else [],
            "patients": len(node.patients),
            "studies": sum(len(p.studies) for p in node.patients),
            "series": dict(sorted(writer.series[node.name].items())),
            "instances": writer.instances[node.name],
            "series_not_handed_over": states["unreleased"],
            "series_listed_but_absent": states["absent"],
            "expected_findings": _BY_NATURE.get(node.style.layout, []),
        }
    return {
        "arguments": arguments,
        "nodes": nodes,
        "lesions": writer.lesions,
        "faults": [
            {
                "name": name,
                "node": FAULTS[name].node,
                "patient_id": where.patient_id,
                "series_uid": where.series_uid,
                "expected": list(FAULTS[name].codes),
                "detail": where.detail,
            }
            for name, where in planted.items()
        ],
        "patients": [
            {"node": node.name, "patient_id": p.patient_id, "clinical": dict(p.clinical), "not_given": sorted(p.gaps)}
            for node in plan.nodes
            for p in node.patients
        ],
    }
