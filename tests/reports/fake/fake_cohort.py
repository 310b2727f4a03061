"""A cohort with the tables of the real one, made from a ``fake.json`` in each extract's folder.

So the tests of reports depend on what a cohort promises, not on how one is opened. ``sitecustomize.py`` beside this
file puts it in the place of ``workbench.cohort`` inside kernels; ``conftest.py`` does so in the test's own process.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FINDING_COLUMNS = ["severity", "code", "node", "count", "what", "where", "remedy"]
SERIES_COLUMNS = [
    "node", "dataset_id", "patient_id", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "kind", "n_instances",
    "geometry", "slice_spacing_mm", "pixel_spacing_mm", "bytes", "decodable", "n_labels", "refers_to",
]  # fmt: skip


def write_extract(folder: Path, *, node: str, patients: int = 5, **more: Any) -> Path:
    """An extract folder that :func:`open_cohort` below understands."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fake.json").write_text(json.dumps({"node": node, "patients": patients, **more}))
    return folder


@dataclass(frozen=True)
class FakeCohort:
    extracts: tuple[Any, ...]
    patients: Any
    studies: Any
    series: Any
    clinical: Any
    values: Any
    variables: Any
    findings: Any
    conditions: tuple[str, ...] = ()

    @property
    def nodes(self) -> list[str]:
        return sorted({info.node for info in self.extracts})

    def sql(self, query: str) -> Any:
        """Only the question for doubtful values is understood."""
        import pandas as pd

        assert "unit-suspected" in query
        found = self.findings[self.findings["code"] == "unit-suspected"]
        return pd.DataFrame({"node": found["node"], "message": found["where"]})

    def where(self, condition: str) -> FakeCohort:
        """Only the condition ``modality = 'XX'`` is understood."""
        modality = condition.split("'")[1]
        series = self.series[self.series["Modality"] == modality]
        kept = set(zip(series["node"], series["patient_id"], strict=True))

        def of(frame: Any) -> Any:
            return frame[[pair in kept for pair in zip(frame["node"], frame["patient_id"], strict=True)]]

        return replace(
            self, series=series, patients=of(self.patients), studies=of(self.studies), clinical=of(self.clinical),
            values=of(self.values), conditions=(*self.conditions, condition),
        )  # fmt: skip


def open_cohort(paths: Any, *, link_roots: Any = (), **_: Any) -> FakeCohort:
    import pandas as pd

    from workbench.errors import EmptyExtract

    if os.environ.get("FAKE_COHORT_DIES") == "kernel" and os.environ.get("WORKBENCH_BATCH"):
        os._exit(9)
    if os.environ.get("FAKE_COHORT_DIES") == "error" and os.environ.get("WORKBENCH_BATCH"):
        raise ValueError("planted")
    if os.environ.get("FAKE_COHORT_DIES") == "sleep" and os.environ.get("WORKBENCH_BATCH"):
        import time

        time.sleep(120)
    extracts, rows = [], []
    for path in [Path(item) for item in paths]:
        source = path / "fake.json"
        if not source.is_file():
            raise EmptyExtract("no layout is recognised", file=path.name)
        said = json.loads(source.read_text())
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        extracts.append(
            SimpleNamespace(
                node=said["node"], dataset_id="set-1", layout="plain", root=path, trust="none", digest=digest, n_files=9
            )
        )
        rows.append(said)
    patients, studies, series, clinical, values, findings = [], [], [], [], [], []
    for said in rows:
        node = said["node"]
        for number in range(said["patients"]):
            who = {"node": node, "patient_id": f"P{number:03d}"}
            imaged = number != said.get("without_images", -1)
            patients.append(
                {**who, "dataset_id": "set-1", "has_imaging": imaged, "has_clinical": True, "n_studies": int(imaged)}
            )
            if imaged:
                study = f"1.2.{len(node)}.{number}"
                studies.append({**who, "StudyInstanceUID": study, "StudyDate": "20200101", "timepoint": 1})
                for place, modality in enumerate(said.get("modalities", ["CT", "PT"])):
                    series.append(_series(who, study, place, modality, "image", number))
                series.append(_series(who, study, 9, "RTSTRUCT", "structure-set", number))
            clinical.append(
                {
                    **who,
                    "timepoint": 1,
                    "sex": "female" if number % 2 else "male",
                    "age_at_diagnosis": 50.0 + 3 * number,
                    "stage": None if said.get("no_stage") else ["I", "II", "III"][number % 3],
                }
            )
            values.append({**who, "variable": "sex", "value": "male"})
        if said.get("findings", True):
            findings.append(
                ["serious", "slices-missing", node, 1, "slices are missing", "2 of 40 slices missing", "ask the node"]
            )
            findings.append(["note", "single-slice", node, 2, "one image only", "", "2-D work only"])
        if said.get("age_in_months"):
            text = "age_at_diagnosis: 3 of 3 values beyond 120 a"
            findings.append(["serious", "unit-suspected", node, 3, "another unit", text, "check the unit"])
    keys = ["node", "patient_id"]
    order = {"serious": 0, "attention": 1, "note": 2}
    return FakeCohort(
        extracts=tuple(extracts),
        patients=pd.DataFrame(patients, columns=[*keys, "dataset_id", "has_imaging", "has_clinical", "n_studies"]),
        studies=pd.DataFrame(studies, columns=[*keys, "StudyInstanceUID", "StudyDate", "timepoint"]),
        series=pd.DataFrame(series, columns=SERIES_COLUMNS),
        clinical=pd.DataFrame(clinical, columns=[*keys, "timepoint", "sex", "age_at_diagnosis", "stage"]),
        values=pd.DataFrame(values, columns=[*keys, "variable", "value"]),
        variables=pd.DataFrame(
            [
                ["stage", "category", "", "stage"],
                ["age_at_diagnosis", "number", "a", "age"],
                ["sex", "category", "", "sex"],
            ],
            columns=["variable", "type", "unit", "description"],
        ),
        findings=pd.DataFrame(sorted(findings, key=lambda row: order[row[0]]), columns=FINDING_COLUMNS),
    )


def _series(who: dict[str, str], study: str, place: int, modality: str, kind: str, number: int) -> dict[str, Any]:
    image = kind == "image"
    uid = f"{study}.{who['node']}.{place}"
    return {
        **who,
        "dataset_id": "set-1",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": uid,
        "Modality": modality,
        "kind": kind,
        "n_instances": 40 if image else 1,
        "geometry": ("gaps" if number == 0 else "regular") if image else None,
        "slice_spacing_mm": 3.0 + place if image else None,
        "pixel_spacing_mm": 0.98 if image else None,
        "bytes": 20_000_000 if image else 90_000,
        "decodable": True,
        "n_labels": int(image),
        "refers_to": [] if image else [f"{study}.{who['node']}.0"],
    }
