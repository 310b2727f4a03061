"""Who is the same person at several nodes: a linkage table, and what linked patients disagree about.

Without one, a patient is a node and a pseudonym: the same pseudonym at two nodes is two patients.
"""

from __future__ import annotations

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from workbench.cohort.tables.store import Stored
from workbench.errors import UsageError

#: Columns of a linkage table.
COLUMNS: Final = ("node", "patient_id", "person")
#: Variables that are of a person, whoever wrote them down; by how much two numbers may differ.
OF_PERSON: Final = {
    "sex": 0.0, "gender": 0.0, "year_of_birth": 0.0, "date_of_birth": 0.0, "date_of_death": 0.0,
    "diagnosis": 0.0, "date_of_diagnosis": 0.0, "year_of_diagnosis": 0.0, "age_at_diagnosis": 1.0,
}  # fmt: skip

_LISTED: Final = ", ".join(f"('{name}', {tolerance})" for name, tolerance in OF_PERSON.items())
#: Rows (node, code, message, patient_id, series_uid, count): one per person and variable with different values.
CONFLICTS: Final = f"""
select string_agg(distinct node, ', ' order by node) as node, 'value-conflict' as code,
    variable || ': ' || count(distinct (node, patient_id)) || ' linked patients have different values' as message,
    min(patient_id) as patient_id, '' as series_uid, 1 as "count"
from (select v.node, v.patient_id, p.person_id, v.variable, v.value, t.tolerance
    from all_values v join persons p using (node, patient_id) join (values {_LISTED}) t(variable, tolerance)
        using (variable)
    where v.value is not null and v.rule <> 'unmapped')
group by person_id, variable
having count(distinct (node, patient_id)) > 1 and count(distinct value) > 1
    and coalesce(max(try_cast(value as double)) - min(try_cast(value as double)) > max(tolerance), true)
"""


#: Rows (as above), one per node some of whose linked patients are not there; and one for nodes that were not opened.
UNUSED: Final = """
select node, 'linkage-unused' as code, count(*) || ' row(s) of the linkage table name no patient of the node'
        || case when count(*) filter (alike) > 0 then '; but for case, leading zeros or signs '
            || count(*) filter (alike) || ' would' else '' end as message,
    '' as patient_id, '' as series_uid, count(*) as "count"
from (select p.node, p.spelling in (select t.spelling from spelt_patients t where t.node = p.node) as alike
    from persons p anti join spelt_patients s on s.node = p.node and s.patient_id = p.patient_id)
group by node
union all
select (select string_agg(distinct node, ', ' order by node) from spelt_patients), 'linkage-elsewhere',
    n || ' row(s) of the linkage table name nodes that were not opened', '', '', n
from elsewhere where n > 0
"""


def with_persons(extracts: Sequence[Stored], path: str | os.PathLike[str]) -> list[Stored]:
    """The extracts with the persons that a linkage table names.

    Parameters
    ----------
    extracts : sequence of Stored
        Opened extracts; rows of other nodes are left aside and counted.
    path : path
        CSV with the columns ``node``, ``patient_id``, ``person``.

    Raises
    ------
    UsageError
        It cannot be read, lacks a column, says two things of one patient, or speaks of none of the nodes.
    """
    persons = read_links(path)
    nodes = {node for node, _ in persons}
    if not nodes & {extract.node for extract in extracts}:
        raise UsageError(
            "the linkage table speaks of none of the nodes",
            file=Path(path).name,
            remedy=f"its column node must hold their names: {', '.join(extract.node for extract in extracts)}",
        )
    here = {extract.node for extract in extracts}
    elsewhere = sum(node not in here for node, _ in persons)
    by_node: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for (node, patient), person in sorted(persons.items()):
        by_node[node].append((patient, person))
    return [replace(extract, persons=tuple(by_node.get(extract.node, ())), elsewhere=elsewhere) for extract in extracts]


def read_links(path: str | os.PathLike[str]) -> dict[tuple[str, str], str]:
    """Person of each node and patient.

    Raises
    ------
    UsageError
    """
    name = Path(path).name
    try:
        with Path(path).expanduser().open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UsageError(
            f"linkage table cannot be read: {error.strerror}", file=name, remedy="check its path"
        ) from None
    except (UnicodeDecodeError, csv.Error):
        raise UsageError("linkage table is no CSV in UTF-8", file=name, remedy="save it as CSV, UTF-8") from None
    if not rows or any(column not in rows[0] for column in COLUMNS):
        raise UsageError(
            "linkage table lacks rows or a column", file=name, remedy=f"its columns are {', '.join(COLUMNS)}"
        )
    cells = [tuple((row[column] or "").strip() for column in COLUMNS) for row in rows]
    empty = next((number for number, row in enumerate(cells, 2) if not all(row)), None)
    if empty is not None:
        raise UsageError(
            f"row {empty} of the linkage table has an empty cell", file=name, remedy="fill it or remove it"
        )
    # A patient named twice as the same person is said twice and no contradiction.
    given = Counter((node, patient) for node, patient, _ in set(cells))
    twice = sum(count > 1 for count in given.values())
    if twice:
        raise UsageError(
            f"linkage table names {twice} patient(s) as two persons", file=name, remedy="keep one row for each patient"
        )
    return {(node, patient): person for node, patient, person in cells}
