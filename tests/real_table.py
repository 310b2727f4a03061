"""The table of real files: what opening each of them gives. ``python -m tests.real_table`` writes it anew.

A changed row is a changed behaviour: read it before it is committed.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa

TABLE = Path(__file__).parent / "real_files.csv"
COLUMNS = ("collection", "path", "outcome", "dims", "shape", "dtype", "units", "geometry", "findings")
#: No DICOM, by suffix; and pydicom's DICOMDIR test tree, whose 16 x 16 pictures are all alike.
_OTHERS = (".py", ".pyc", ".gz", ".nii", ".txt", ".json", ".mgz", ".mgh", ".mat", ".npy", ".trk", ".mnc", ".gii", ".md")


def collections() -> dict[str, Path]:
    """Folder of each collection that is here."""
    import nibabel
    import pydicom.data

    data = Path(os.environ.get("WORKBENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
    found = {"pydicom": Path(pydicom.data.__file__).parent, "nibabel": Path(nibabel.__file__).parent}
    found |= {name: data / name for name in ("highdicom", "dcmqi", "rt-utils") if (data / name).is_dir()}
    return found


@cache
def headers(collection: str) -> pa.Table:
    """Header table of a collection."""
    from workbench.dicom.scan import scan

    return scan(collections()[collection]).table


def files(collection: str) -> Iterator[tuple[str, str, str]]:
    """Path, status and kind of every DICOM object."""
    rows = headers(collection).select(["path", "status", "kind"]).to_pylist()
    for row in rows:
        if row["status"] != "not-dicom" and not row["path"].endswith(_OTHERS):
            yield row["path"], row["status"], row["kind"]


def outcome(collection: str, path: str, status: str, kind: str) -> dict[str, str]:
    """What opening and reading one file gives."""
    import xarray as xr

    from workbench.errors import WorkbenchError

    row = dict.fromkeys(COLUMNS, "") | {"collection": collection, "path": path}
    if status == "dicomdir" or (status == "dicom" and kind != "image"):
        return row | {"outcome": kind or status}
    try:
        dataset = xr.open_dataset(collections()[collection] / path, engine="dicom")
        image = dataset["image"].load()
    except WorkbenchError as error:
        return row | {"outcome": type(error).__name__, "findings": "" if status == "dicom" else status}
    return row | {
        "outcome": "array",
        "dims": " ".join(map(str, image.dims)),
        "shape": "x".join(map(str, image.shape)),
        "dtype": str(image.dtype),
        "units": image.attrs["units"],
        "geometry": dataset.attrs["geometry"],
        "findings": dataset.attrs["findings"],
    }


def rows() -> list[dict[str, str]]:
    """The table as it stands."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for collection in collections():
            for path, status, kind in files(collection):
                writer.writerow(outcome(collection, path, status, kind))
    print(f"{len(rows())} rows", file=sys.stderr)


if __name__ == "__main__":
    main()
