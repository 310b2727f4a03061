"""Who holds which images, in numbers: overview per node, modalities, geometry, spacing, checks.

Pure functions over the cohort's pandas tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workbench.reports.profile import POOLED, number, quartiles

if TYPE_CHECKING:
    import pandas as pd

    from workbench.reports.collector import Results

#: What a geometry verdict says, in the order of charts: even volumes first.
VERDICTS: Final = {
    "regular": "even volume",
    "sheared": "sheared (gantry tilt)",
    "gaps": "slices missing",
    "variable": "uneven spacing",
    "single": "single image",
    "projection": "projection",
    "unplaced": "not placed",
}
#: Verdicts of series that are no volume by nature, so nobody expects even slices of them.
_FLAT: Final = ("single", "projection")
_LABELS: Final = ("segmentation", "structure-set")


def key_numbers(cohort: Any) -> dict[str, int]:
    """Patients, studies, image series and findings of a cohort; what an index shows first."""
    return {
        "patients": len(cohort.patients),
        "studies": len(cohort.studies),
        "series": int((cohort.series["kind"] == "image").sum()),
        "findings": int(cohort.findings["count"].sum()) if len(cohort.findings) else 0,
    }


def overview(cohort: Any) -> pd.DataFrame:
    """One row per node and a pooled one: patients, studies, series, images and gigabytes (10⁹ bytes).

    Columns: ``node, patients, with_images, with_clinical, studies, image_series, label_series, other_series, images,
    gigabytes``.
    """
    import pandas as pd

    nodes = sorted(cohort.nodes)
    rows = [_holdings(cohort, node) for node in nodes]
    if len(nodes) != 1:
        rows.append(_holdings(cohort, POOLED))
    return pd.DataFrame(rows)


def overview_in_words(held: pd.DataFrame) -> pd.DataFrame:
    """The overview as printed."""
    shown = held.rename(
        columns={
            "node": "Node",
            "patients": "Patients",
            "with_images": "with images",
            "with_clinical": "with clinical data",
            "studies": "Studies",
            "image_series": "Image series",
            "label_series": "Segmentations and structure sets",
            "other_series": "Other objects",
            "images": "Images",
            "gigabytes": "Size (GB)",
        }
    )
    shown["Size (GB)"] = [f"{value:.2f}" if value >= 0.005 else "<0.01" for value in held["gigabytes"]]
    return shown


def modalities(cohort: Any) -> pd.DataFrame:
    """Image series per modality and node: ``modality, node, series, studies, patients``; pooled rows last."""
    import pandas as pd

    images = _images(cohort.series)
    rows = []
    for modality in sorted(set(images["Modality"].astype(str))):
        part = images[images["Modality"].astype(str) == modality]
        for node in _columns(cohort):
            mine = part if node == POOLED else part[part["node"] == node]
            rows.append(
                {
                    "modality": modality,
                    "node": node,
                    "series": len(mine),
                    "studies": len(mine[["node", "StudyInstanceUID"]].drop_duplicates()),
                    "patients": len(mine[["node", "patient_id"]].drop_duplicates()),
                }
            )
    return pd.DataFrame(rows, columns=["modality", "node", "series", "studies", "patients"])


def modalities_in_words(held: pd.DataFrame) -> pd.DataFrame:
    """Modalities as printed: a row per modality, ``series (patients)`` per node."""
    import pandas as pd

    order = list(dict.fromkeys(held["node"]))
    rows = []
    for modality, part in held.groupby("modality", sort=False):
        cells = part.set_index("node")
        shown = {node: _pair(int(cells["series"][node]), int(cells["patients"][node])) for node in order}
        rows.append({"Modality": modality, **shown})
    return pd.DataFrame(rows, columns=["Modality", *order])


def geometry(cohort: Any) -> pd.DataFrame:
    """Image series per modality and geometry verdict: ``modality, geometry, series, patients``."""
    import pandas as pd

    images = _images(cohort.series)
    rows = []
    for modality in sorted(set(images["Modality"].astype(str))):
        part = images[images["Modality"].astype(str) == modality]
        verdicts = part["geometry"].astype(object).where(part["geometry"].notna(), "unplaced").astype(str)
        for verdict in [*VERDICTS, *sorted(set(verdicts) - set(VERDICTS))]:
            mine = part[verdicts == verdict]
            if len(mine):
                patients = len(mine[["node", "patient_id"]].drop_duplicates())
                rows.append({"modality": modality, "geometry": verdict, "series": len(mine), "patients": patients})
    return pd.DataFrame(rows, columns=["modality", "geometry", "series", "patients"])


def geometry_in_words(held: pd.DataFrame) -> pd.DataFrame:
    """Geometry as printed."""
    shown = held.rename(columns={"modality": "Modality", "series": "Series", "patients": "Patients"})
    shown["geometry"] = [VERDICTS.get(verdict, verdict) for verdict in held["geometry"]]
    return shown.rename(columns={"geometry": "Geometry"})


def spacing(cohort: Any) -> pd.DataFrame:
    """Slice and pixel spacing (mm) per modality and node: median and quartiles over image series.

    Columns: ``modality, node, series, quantity, n, median, q1, q3``.
    """
    import pandas as pd

    images = _images(cohort.series)
    rows = []
    for (modality, node), part in images.groupby(["Modality", "node"], sort=True):
        for quantity, column in (("between slices", "slice_spacing_mm"), ("in the image", "pixel_spacing_mm")):
            values = _first(part[column]).dropna()
            row = {"modality": str(modality), "node": str(node), "series": len(part), "quantity": quantity}
            rows.append(row | {"n": len(values)} | quartiles(values))
    return pd.DataFrame(rows, columns=["modality", "node", "series", "quantity", "n", "median", "q1", "q3"])


def spacing_in_words(held: pd.DataFrame) -> pd.DataFrame:
    """Spacing as printed: ``median [Q1, Q3]`` in mm, per modality and node."""
    import pandas as pd

    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in held.itertuples():
        shown = rows.setdefault(
            (str(row.modality), str(row.node)), {"Modality": row.modality, "Node": row.node, "Series": row.series}
        )
        text = f"{number(row.median)} [{number(row.q1)}, {number(row.q3)}]" if row.n else "–"
        shown[f"{str(row.quantity).capitalize()} (mm)"] = text
    columns = ["Modality", "Node", "Series", "Between slices (mm)", "In the image (mm)"]
    return pd.DataFrame(list(rows.values()), columns=columns)


def findings_in_words(findings: pd.DataFrame) -> pd.DataFrame:
    """Grouped findings as printed."""
    shown = findings[["severity", "node", "count"]].rename(columns=str.capitalize)
    shown["What was noticed, for example"] = [
        f"{what}\n{_words(where)}" for what, where in zip(findings["what"], findings["where"], strict=True)
    ]
    shown["What to do"] = [_words(remedy) for remedy in findings["remedy"]]
    shown["Code"] = findings["code"]
    return shown


def record_checks(results: Results, cohort: Any, gaps: pd.DataFrame) -> None:
    """Record the profile's checks: what is complete, readable and even; see the table for thresholds."""
    patients, series = cohort.patients, cohort.series
    images = _images(series)
    volumes = images[~images["geometry"].astype(object).isin(_FLAT)]
    labels = series[series["kind"].isin(_LABELS)]
    here = set(images["SeriesInstanceUID"])
    placed = sum(1 for uids in labels["refers_to"] if set(_list(uids)) & here)
    pooled = gaps[gaps["group"] == (POOLED if POOLED in set(gaps["group"]) else gaps["group"].min())]
    doubts = cohort.findings[cohort.findings["code"].isin(["value-implausible", "unit-suspected"])]["count"].sum()
    for check_id, category, good, of, threshold, note in (
        ("patients-with-images", "completeness", _true(patients["has_imaging"]), len(patients), 0.95,
         "patients with at least one image series"),
        ("patients-with-clinical-data", "completeness", _true(patients["has_clinical"]), len(patients), 0.95,
         "patients with clinical data"),
        ("variables-mostly-known", "completeness", int((pooled["percent"] <= 20).sum()), len(pooled), 0.8,
         "variables known in at least 80 % of patients"),
        ("pixels-decodable", "conformance", _true(images["decodable"]), len(images), 1.0,
         "image series whose pixels can be decoded here"),
        ("labels-with-images", "conformance", placed, len(labels), 1.0,
         "segmentations and structure sets whose images are here"),
        ("slices-even", "plausibility", int((volumes["geometry"] == "regular").sum()), len(volumes), 0.9,
         "volume series with straight, evenly spaced slices"),
        ("values-plausible", "plausibility", max(0, len(cohort.values) - int(doubts)), len(cohort.values), 1.0,
         "clinical values inside their plausible range"),
    ):  # fmt: skip
        results.check(check_id, category=category, numerator=good, denominator=of, threshold=threshold, note=note)


def record_findings(results: Results, cohort: Any, gaps: pd.DataFrame) -> None:
    """Record what to look at, most serious first: the cohort's findings, and variables that one group lacks."""
    from workbench.reports.profile import label, uneven_gaps

    def add(severity: str) -> None:
        for row in cohort.findings[cohort.findings["severity"] == severity].to_dict("records"):
            node, where, remedy = (_words(row.get(name)) for name in ("node", "where", "remedy"))
            results.finding(
                str(row["code"]), severity=severity, title=str(row["what"]), node=node,
                count=int(row["count"]), where=where, remedy=remedy,
            )  # fmt: skip

    add("serious")
    add("attention")
    for gap in uneven_gaps(gaps):
        results.finding(
            "report:missing-at-group", severity="attention", node=", ".join(gap["groups"]), count=gap["missing"],
            title=f"{label(gap['variable'])} is mostly missing here and mostly known elsewhere",
            remedy="ask why before comparing or pooling it",
        )  # fmt: skip


def _holdings(cohort: Any, node: str) -> dict[str, Any]:
    def of(frame: pd.DataFrame) -> pd.DataFrame:
        return frame if node == POOLED else frame[frame["node"] == node]

    patients, series = of(cohort.patients), of(cohort.series)
    images = series[series["kind"] == "image"]
    labels = series[series["kind"].isin(_LABELS)]
    return {
        "node": node,
        "patients": len(patients),
        "with_images": _true(patients["has_imaging"]),
        "with_clinical": _true(patients["has_clinical"]),
        "studies": len(of(cohort.studies)),
        "image_series": len(images),
        "label_series": len(labels),
        "other_series": len(series) - len(images) - len(labels),
        "images": int(images["n_instances"].fillna(0).sum()),
        "gigabytes": float(series["bytes"].fillna(0).sum()) / 1e9,
    }


def _columns(cohort: Any) -> list[str]:
    nodes = sorted(cohort.nodes)
    return nodes if len(nodes) == 1 else [*nodes, POOLED]


def _images(series: pd.DataFrame) -> pd.DataFrame:
    return series[series["kind"] == "image"]


def _true(column: pd.Series[Any]) -> int:
    return int(column.fillna(False).astype(bool).sum())


def _first(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers; of a pair (rows, columns) the first."""
    import pandas as pd

    one = [value[0] if isinstance(value, list | tuple) and value else value for value in column]
    return pd.to_numeric(pd.Series(one, dtype=object), errors="coerce")


def _list(value: Any) -> list[Any]:
    return [] if value is None or isinstance(value, float) else [value] if isinstance(value, str) else list(value)


def _words(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def _pair(series: int, patients: int) -> str:
    return f"{series:,} ({patients:,})" if series else "–"
