"""A filter with three conditions and a group-by over the million series of the public archive, beside pandas.

Run: python -m benchmarks.p19_catalogue   (needs the extra catalogue)

Both sides hold the table open: ours as Parquet asked by DuckDB, pandas as a frame in memory with the normalised
columns it needs. Counts are equal first.
"""

from __future__ import annotations

import pandas as pd

from benchmarks.measure import interleaved, record
from workbench.cohort import catalogue
from workbench.options import options

QUERY = """
    select Modality, maker, count(*) as n, sum(size_bytes)::bigint as bytes from series
    where sex = 'female' and age_years between 40 and 70 and commercial_use
    group by Modality, maker order by Modality, maker"""
COLUMNS = ["Modality", "maker", "sex", "age_years", "commercial_use", "size_bytes"]


def main() -> None:
    options.progress = "off"
    held = catalogue.idc()
    frame = held.sql(f"select {', '.join(COLUMNS)} from series")
    frame["commercial_use"] = frame["commercial_use"].fillna(False).astype(bool)

    def by_pandas() -> pd.DataFrame:
        kept = frame[(frame["sex"] == "female") & frame["age_years"].between(40, 70) & frame["commercial_use"]]
        return kept.groupby(["Modality", "maker"], dropna=False)["size_bytes"].agg(["size", "sum"])

    def from_file() -> pd.DataFrame:
        nonlocal frame
        kept, path = frame, held.parts[0][1][0]
        frame = pd.read_parquet(path, columns=COLUMNS)
        frame["commercial_use"] = frame["commercial_use"].fillna(False).astype(bool)
        found, frame = by_pandas(), kept
        return found

    def by_catalogue() -> pd.DataFrame:
        return held.sql(QUERY)

    ours, theirs = by_catalogue(), by_pandas().reset_index()
    left, right = (sorted(map(tuple, found.fillna("").to_numpy().tolist())) for found in (ours, theirs))
    assert left == right, "the counts differ"
    print(f"{len(frame):,} series, {len(ours)} groups of {ours['n'].sum():,} series; equal counts")
    calls = {"workbench": by_catalogue, "pandas, columns in memory": by_pandas, "pandas, from the file": from_file}
    timings = interleaved(calls, rounds=11)
    record("p19_catalogue", timings, baseline="workbench")


if __name__ == "__main__":
    main()
