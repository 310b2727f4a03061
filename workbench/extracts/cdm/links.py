"""The table by which a caller says whose identifiers are whose."""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path
from typing import Final

from workbench.errors import PathNotFound, UsageError
from workbench.extracts.cdm.owners import Links
from workbench.extracts.tables import read_table
from workbench.writing import write_text

#: Names of its columns, letters alone, lower case.
_IDENTIFIER: Final = ("identifier", "treatmentidentifier", "procedureidentifier")
_PATIENT: Final = ("patientid", "patient", "patientidentifier", "subject", "subjectid")
_TABLE: Final = ("entity", "table")
_REMEDY: Final = "give a table with the columns identifier and patient_id, and entity where identifiers repeat"


def read_links(path: Path) -> Links:
    r"""Links of a table with the columns ``identifier``, ``patient_id`` and, if need be, ``entity``.

    Raises
    ------
    PathNotFound
    UsageError
        A column is missing, or one identifier is given two patients.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "links.csv"
    >>> _ = path.write_text("identifier,patient_id\ncs-1,P1\n")
    >>> read_links(path)
    {('', 'cs-1'): 'P1'}
    """
    if not path.is_file():
        raise PathNotFound("no such table of links", file=path.name, remedy="check links=...")
    table = read_table(path, file=path.name)
    names = [re.sub(r"[^a-z]", "", name.casefold()) for name in table.header]
    identifier, patient, entity = (
        next((names.index(name) for name in wanted if name in names), None)
        for wanted in (_IDENTIFIER, _PATIENT, _TABLE)
    )
    if identifier is None or patient is None:
        raise UsageError("no table of links", file=path.name, remedy=_REMEDY)
    links: dict[tuple[str, str], str] = {}
    for number, cells, _ in table:
        key = ("" if entity is None else cells[entity].casefold(), cells[identifier])
        if key[1] and cells[patient] and links.setdefault(key, cells[patient]) != cells[patient]:
            raise UsageError(f"row {number}: an identifier with two patients", file=path.name, remedy=_REMEDY)
    return links


def write_proposed_links(
    root: str | os.PathLike[str], path: str | os.PathLike[str], *, patients: set[str] | None = None
) -> int:
    """Write the links that identifiers of a flow export suggest, to look through and give as ``links=``; their number.

    Parameters
    ----------
    root : path-like
        Folder of the export.
    path : path-like
        CSV to write: entity, identifier, patient_id.
    patients : set of str, optional
        Ids of the patients; by default those of the export's own table.

    Raises
    ------
    PathNotFound
    UsageError
        Nothing is suggested: identifiers do not begin with a patient's id.
    WriteError
    """
    from workbench.extracts.cdm.adapter import tables_of
    from workbench.extracts.cdm.looking import look
    from workbench.extracts.cdm.owners import Owners, Proposed
    from workbench.extracts.tree import Tree

    folder = Path(os.path.realpath(root))
    if not folder.is_dir():
        raise PathNotFound("no such folder", file=folder.name, remedy="check its spelling")
    tables, _ = tables_of(Tree(folder, (folder,)))
    owners = Owners(tables, {})
    proposed = Proposed(patients or owners.known)
    look(tables, [owners, proposed], label=f"{folder.name}: tables")
    links = proposed.links()
    if not links:
        raise UsageError(
            "no identifier begins with the id of a patient", file=folder.name, remedy="ask the node for the links"
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["entity", "identifier", "patient_id"])
    writer.writerows((table, identifier, patient) for (table, identifier), patient in links.items())
    write_text(Path(path), text.getvalue())
    return len(links)
