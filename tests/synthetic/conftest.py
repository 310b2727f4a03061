"""One federation with every fault, written once for all tests of the room, and its plan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.once import once
from workbench.synthetic.draws import make_plan
from workbench.synthetic.faults import chosen, plant
from workbench.synthetic.federation import write_federation
from workbench.synthetic.plan import FederationPlan, NodePlan, PatientPlan, SeriesPlan, StudyPlan

PATIENTS, SEED = 12, 5


@dataclass(frozen=True)
class Federation:
    root: Path
    key: dict[str, Any]
    plan: FederationPlan

    def extract(self, node: str) -> Path:
        return self.root / self.key["nodes"][node]["path"]

    def fault(self, name: str) -> dict[str, Any]:
        return next(fault for fault in self.key["faults"] if fault["name"] == name)

    def each_series(self) -> list[tuple[NodePlan, PatientPlan, StudyPlan, SeriesPlan]]:
        return [
            (node, patient, study, series)
            for node in self.plan.nodes
            for patient in node.patients
            for study in patient.studies
            for series in study.series
            if series.state != "absent"
        ]


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    write = partial(write_federation, patients=PATIENTS, seed=SEED, faults="all")
    root = once(tmp_path_factory, "every fault", write)
    # Written before, it is only looked through.
    key = write(root)
    plan, _ = plant(make_plan(patients=PATIENTS, seed=SEED), chosen("all"))
    return Federation(root, key, plan)


@pytest.fixture(scope="session")
def headers(federation: Federation) -> dict[str, dict[str, list[tuple[Path, Any]]]]:
    """Node -> SeriesInstanceUID -> (file, header), of every DICOM file that is not behind a link out of the extract."""
    from pydicom import dcmread
    from pydicom.misc import is_dicom

    roots = {node: federation.extract(node) for node in federation.key["nodes"]}
    roots["aurora"] = federation.root / "datalake"
    found: dict[str, dict[str, list[tuple[Path, Any]]]] = {}
    for node, root in roots.items():
        series = found.setdefault(node, {})
        for path in sorted(root.rglob("*")):
            if path.is_file() and "vizinho" not in path.parts and is_dicom(path):
                header = dcmread(path, stop_before_pixels=True)
                series.setdefault(str(header.SeriesInstanceUID), []).append((path, header))
    return found
