"""Downloads of the archive beside its index: an index of our own making, and none."""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import workbench as wb
from tests import factories
from workbench.cohort.catalogue import archived

#: Series of the download: UID, its id in the archive, licence in the index (None: the index has no such series).
SERIES = {
    "2.25.5101": (str(uuid.UUID(int=1)), "CC BY 4.0"),
    "2.25.5102": (str(uuid.UUID(int=2)), "CC BY-NC 3.0"),
    "2.25.5103": (str(uuid.UUID(int=3)), None),
    "2.25.5104": (str(uuid.UUID(int=4)), None),
}
#: Of an earlier release.
EARLIER = "2.25.5103"


@pytest.fixture
def download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "download"
    for number, series in enumerate(SERIES, 1):
        factories.image(
            root / "made_up" / f"EX-{number}" / f"2.25.{number}" / f"CT_{series}" / "1.dcm", number,
            PatientID=f"EX-{number}", StudyInstanceUID=f"2.25.{number}", SeriesInstanceUID=series,
        )  # fmt: skip
    lines = [f"cp s3://some-bucket/{key}/* .\n" for key, _ in SERIES.values()]
    (root / "manifest.s5cmd").write_text("# made up\n" + "".join(lines))
    return root


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed index that knows two of the series, and one of an earlier release."""
    folder = tmp_path / "index"
    folder.mkdir()
    known = [(uid, key, licence) for uid, (key, licence) in SERIES.items() if licence]
    columns = ("SeriesInstanceUID", "crdc_series_uuid", "license_short_name")
    rows = [dict(zip(columns, row, strict=True)) for row in known]
    pq.write_table(pa.Table.from_pylist(rows), folder / "idc_index.parquet")
    earlier = {"SeriesInstanceUID": EARLIER, "crdc_series_uuid": SERIES[EARLIER][0]}
    pq.write_table(pa.Table.from_pylist([earlier]), folder / "prior_versions_index.parquet")
    monkeypatch.setattr(archived, "index_folder", lambda: folder)
    monkeypatch.setattr("workbench.cohort.tables.store.index_version", lambda: "25.1")
    monkeypatch.setattr("workbench.cohort.tables.recall.index_version", lambda: "25.1")
    monkeypatch.setattr(archived, "index_version", lambda: "25.1")
    return folder


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """No index is installed."""
    for place in ("catalogue.archived", "tables.store", "tables.recall"):
        monkeypatch.setattr(f"workbench.cohort.{place}.index_version", str)


def _told(cohort: wb.Cohort, code: str) -> list[tuple[str, str, int, str]]:
    rows = cohort.sql(f"select series_uid, path, count, message from findings where code = '{code}'")
    return list(rows.itertuples(index=False, name=None))


@pytest.mark.usefixtures("index")
def test_series_whose_licence_forbids_commercial_use_are_told_each(download: Path) -> None:
    cohort = wb.open_cohort(download)
    ((uid, path, count, message),) = _told(cohort, "licence-non-commercial")
    assert (uid, count) == ("2.25.5102", 1)
    assert path.startswith("made_up/EX-2/2.25.2/CT_2.25.5102")
    assert message == "CC BY-NC 3.0, as release 25.1 of the index says"
    # It goes with the series.
    assert _told(cohort.where("SeriesInstanceUID = '2.25.5101'"), "licence-non-commercial") == []


@pytest.mark.usefixtures("index")
def test_a_series_of_no_release_was_withdrawn_and_one_of_an_earlier_release_was_not(download: Path) -> None:
    told = _told(wb.open_cohort(download), "series-withdrawn")
    text = "1 of 4 series that the manifest names, as release 25.1 of the index says"
    assert told == [("", "manifest.s5cmd", 1, text)]


@pytest.mark.usefixtures("without")
def test_without_the_index_nothing_is_said(download: Path) -> None:
    cohort = wb.open_cohort(download)
    assert len(cohort.series) == 4
    assert _told(cohort, "licence-non-commercial") == []
    assert _told(cohort, "series-withdrawn") == []


def test_an_index_that_comes_later_is_asked(
    download: Path, without: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.cohort.tables.recall.MARGIN_NS", -(10**12))
    assert _told(wb.open_cohort(download), "series-withdrawn") == []
    request.getfixturevalue("index")
    assert len(_told(wb.open_cohort(download), "series-withdrawn")) == 1
    assert wb.open_cohort(download).extracts[0].reused


@pytest.mark.usefixtures("index")
def test_other_layouts_are_not_looked_up(download: Path) -> None:
    cohort = wb.open_cohort(download, layout="plain")
    assert _told(cohort, "licence-non-commercial") == []
