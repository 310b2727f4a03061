"""The clinical value nearest to the images of each case, by days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workbench.arguments import alike
from workbench.cohort.vocabulary.tables import variables
from workbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.cohort.database.database import Database

#: Names of the vocabulary that say whose a row is; nothing is near to them.
KEYS: Final = frozenset(("node", "patient_id", "timepoint"))
#: Direction -> which days apart count; the day of the images counts for both.
DIRECTIONS: Final = {"before": "days_apart <= 0", "after": "days_apart >= 0", "either": "true"}

_NEAREST: Final = """
with imaged as (select node, patient_id, timepoint, number, "date", offset_days from cases where n_series > 0),
given as (
    select node, patient_id, value, unit, raw_value, "table", file, row, offset_days,
        try_cast("date" as date) as taken
    from "values" where variable = ? and value is not null and "table" <> 'DICOM header'),
pairs as (
    select i.node, i.patient_id, i.timepoint, g.* exclude (node, patient_id, offset_days),
        case when i.offset_days is not null and g.offset_days is not null then 'offset'
            when i."date" is not null and g.taken is not null then 'date' end as clock,
        case clock when 'offset' then g.offset_days - i.offset_days
            when 'date' then datediff('day', i."date", g.taken) end as days_apart
    from imaged i join given g using (node, patient_id)),
near as (
    select * from pairs where days_apart is not null and {direction} and abs(days_apart) <= {within}),
chosen as (
    select *,
        count(*) over alike as ties, (min(value) over alike) <> (max(value) over alike) as ties_differ,
        row_number() over (partition by node, patient_id, timepoint
            order by abs(days_apart), days_apart, "table", file, row) as place
    from near window alike as (partition by node, patient_id, timepoint, abs(days_apart))),
told as (
    select node, patient_id, timepoint, count(*) as n, count(days_apart) as n_timed from pairs group by all)
select i.node, i.patient_id, i.timepoint, i."date", i.offset_days, c.value, c.unit, c.days_apart, c.clock,
    c.ties, c.ties_differ, c.raw_value, c."table", c.file, c.row,
    case when c.value is not null then ''
        when t.n is null then 'no value'
        when i."date" is null and i.offset_days is null then 'images without date and offset'
        when t.n_timed = 0 then 'values without a time that can be compared'
        else 'none in the time asked for' end as why
from imaged i
left join (select * from chosen where place = 1) c using (node, patient_id, timepoint)
left join told t using (node, patient_id, timepoint)
order by i.node, i.patient_id, i.number
"""


def nearest(database: Database, variable: str, *, direction: str, within_days: float | None) -> pd.DataFrame:
    """One row per imaging case: the value of a variable nearest to the images, days apart, and where it stands.

    Offsets are compared with offsets and dates with dates; ``clock`` says which, offsets go first. Of several values
    equally near the earlier stands, then the first in its table; ``ties`` counts them.

    Raises
    ------
    UsageError
        A variable that is neither in the vocabulary nor in the tables; a direction that is none.
    """
    if direction not in DIRECTIONS:
        raise UsageError(f"direction={direction!r}", remedy=f"use one of {', '.join(DIRECTIONS)}")
    if within_days is not None and not within_days >= 0:
        raise UsageError(f"within_days={within_days!r}", remedy="give a number of days, 0 or more")
    here = {name for (name,) in database.rows("select distinct variable from all_values")}
    known = {*here, *variables()}
    if variable not in known:
        # What has values here first: another name of the vocabulary would only lead to an empty answer.
        close = alike(variable, here) or alike(variable, variables().keys() - KEYS)
        raise UsageError(
            f"no variable {variable!r}", remedy=f"there is {', '.join(close)}" if close else "see cohort.variables"
        )
    within = "'infinity'::double" if within_days is None else f"'{float(within_days)!r}'::double"
    query = _NEAREST.format(direction=DIRECTIONS[direction], within=within)
    found = database.frame(query, [variable])
    if variable in variables() and variables()[variable].type == "number":
        import pandas as pd

        found["value"] = pd.to_numeric(found["value"], errors="coerce")
    for name in ("ties", "row"):
        found[name] = found[name].astype("Int64")
    found["ties_differ"] = found["ties_differ"].astype("boolean")
    return found
