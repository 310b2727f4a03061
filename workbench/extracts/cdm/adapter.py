"""From a folder of tables to an extract without images: which files, whose rows, what is odd."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import EmptyExtract
from workbench.extracts.cdm.checks import Checks
from workbench.extracts.cdm.links import read_links
from workbench.extracts.cdm.looking import look
from workbench.extracts.cdm.model import FLOW_FILE, Form, entities, file_of
from workbench.extracts.cdm.owners import Owners, Proposed
from workbench.extracts.cdm.parts import Part, Row, open_part
from workbench.extracts.cdm.studies import Studies
from workbench.extracts.cdm.unite import United
from workbench.extracts.cdm.values import clinical_rows
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import Clinical, Extract
from workbench.extracts.rows import batched
from workbench.extracts.tree import Sample, Tree, join
from workbench.findings import Finding

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "cdm"
#: Options it understands.
ACCEPTS = frozenset(("links",))
#: Folders that the tables may lie in, beside the root itself.
FOLDERS = ("clinical_data", "image_metadata", "mapping_logs")
#: Tables whose file alone tells the layout.
_TELLING = ("patient", "image_study")
#: The log of the mapping, whose original terms are told.
_LOG = "mapping_results"
#: Tables of a dump that tell it together.
_DUMPED = ("patient", "image_series")


def detect(sample: Sample, /) -> bool:
    """Whether flow files of patients or studies are here or in their folders, or dumped tables with their columns."""
    tree = sample.tree
    names = [*sample.root_files]
    for folder in FOLDERS[:2]:
        if folder in sample.folders(1):
            names += tree.folder(folder).files
    flows = (FLOW_FILE.fullmatch(name) for name in names)
    if any(match is not None and match["entity"].lower() in _TELLING for match in flows):
        return True
    dumped = {file_of(name): name for name in sample.root_files}
    wanted = [dumped.get((name, "dump", "")) for name in _DUMPED]
    return all(wanted) and all(_is_dump(tree, str(file), name) for file, name in zip(wanted, _DUMPED, strict=True))


def _is_dump(tree: Tree, file: str, name: str) -> bool:
    """Whether a table has the columns of the model, and not one that happens to have its name."""
    facts = {one.name: one for one in entities("dump")}[name]
    part, _ = open_part(facts, tree.full(file), file=file, stamp="")
    return part is not None and sum(facts.knows(column) for column in part.header) >= 2


def read(
    root: Path, how: ReadOptions, /, *, node: str, allowed_roots: tuple[Path, ...], shown_from: Path | None = None
) -> Extract:
    """The export as clinical values and studies; it lists no image.

    Parameters
    ----------
    root, how, node, allowed_roots
        As of every adapter: :meth:`workbench.extracts.opening.Adapter.read`.
    shown_from : Path, optional
        Resolved folder that paths are told relative to, where that is another one.

    Raises
    ------
    EmptyExtract
        No table of the model.
    PathNotFound, UsageError
        The table of links is none.
    """
    tree = Tree(root, allowed_roots)
    tables, findings = tables_of(tree, shown_from=shown_from)
    if not set(tables) - {_LOG}:
        raise EmptyExtract(
            "no table of the common data model",
            file=root.name,
            remedy="name the folder of <entity>_<yyyyMMdd_HHmmss>_records.csv files, or of the dumped tables",
        )
    links = {} if how.links is None else read_links(how.links)
    owners = Owners(tables, links)
    proposed, checks, studies, datasets = Proposed(owners.known), Checks(), Studies(owners), _Datasets()
    look(tables, [owners, proposed, checks, studies, datasets], label=f"{node}: tables of the common data model")
    findings += [finding for united in tables.values() for finding in united.findings]
    findings += owners.unjoinable()
    if not links and (found := proposed.links()):
        message = f"{len(found)} identifier(s) of {', '.join(sorted({table for table, _ in found}))}"
        findings.append(Finding("link-proposed", message, path=tables["patient"].parts[-1].file, count=len(found)))
    findings += checks.findings()
    if len(datasets.found) > 1:
        message = f"{len(datasets.found)} datasets in the same tables"
        findings.append(Finding("datasets-mixed", message, path=".", count=len(datasets.found)))
    declared: dict[str, str | int] = {"form": next(iter(tables.values())).parts[0].entity.form}
    declared |= {"patients": len(owners.patients)} if owners.patients is not None else {}
    declared |= {"studies": len(studies.refs), "series": studies.n_series}
    declared |= {"title": datasets.title} if datasets.title else {}
    return Extract(
        node=node,
        dataset_id=next(iter(datasets.found)) if len(datasets.found) == 1 else root.name,
        layout=NAME,
        root=root,
        allowed_roots=allowed_roots,
        series=(),
        clinical=Clinical([lambda: _batches(tables, owners)]),
        studies=studies.refs,
        tables=(
            *(part.file for united in tables.values() for part in united.parts),
            *(() if how.links is None else (_shown(how.links, shown_from or root),)),
        ),
        declared=declared,
        findings=(*tree.findings, *findings),
    )


def _batches(tables: dict[str, United], owners: Owners) -> Iterator[pa.RecordBatch]:
    yield from batched(clinical_rows(tables, owners))


def _shown(path: Path, root: Path) -> str:
    return Path(os.path.relpath(os.path.realpath(path), root)).as_posix()


def tables_of(tree: Tree, *, shown_from: Path | None = None) -> tuple[dict[str, United], list[Finding]]:
    """Tables of an export by name, one that refers to another after it, and what could not be read.

    Parameters
    ----------
    tree : Tree
        The folder.
    shown_from : Path, optional
        Resolved folder that paths are told relative to, where that is another one.
    """
    named = list(_named(tree))
    # A dump knows whose every row is; where it is there, the flows say nothing more.
    dumped = {name for name, form, _, _ in named if form == "dump"}
    form: Form = "dump" if set(_DUMPED) <= dumped or not any(one[1] == "flow" for one in named) else "flow"
    findings: list[Finding] = []

    def shown(file: str) -> str:
        return file if shown_from is None else _shown(tree.full(file), shown_from)

    # The log of the mapping is written by a flow, and speaks of both forms.
    log = (one for one in entities("flow") if one.name == _LOG)
    facts = {one.name: one for one in (*entities(form), *log)}
    others = [file for name, its, _, file in named if its != form and name != _LOG]
    if others:
        message = f"tables of the other form: the {form} was read"
        findings.append(Finding("file-ignored-by-layout", message, path=shown(others[0]), count=len(others)))
    parts: dict[str, list[Part]] = {}
    for name, its, stamp, file in named:
        if its == form or name == _LOG:
            part, irregular = open_part(facts[name], tree.full(file), file=shown(file), stamp=stamp)
            findings += irregular
            if part is not None:
                parts.setdefault(name, []).append(part)
    return {name: United(parts[name]) for name in facts if name in parts}, findings


def _named(tree: Tree) -> Iterator[tuple[str, str, str, str]]:
    """Entity, form, stamp and path of every file that is named like a table."""
    top = tree.folder()
    for place in (".", *(name for name in FOLDERS if name in top.folders)):
        for name in (top if place == "." else tree.folder(place)).files:
            if (found := file_of(name)) is not None:
                yield (*found, join(place, name))


class _Datasets:
    """Identifiers of the datasets that rows are of, and the title where there is one."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}
        self.title = ""

    def see(self, name: str, part: Part, number: int, row: Row, /) -> None:
        """Take in the dataset of a row."""
        if name not in ("dataset", "patient", "episode"):
            return
        identifier = row.get(part.entity.name_of("key" if name == "dataset" else "dataset"), "")
        if identifier:
            self.found.setdefault(identifier)
        self.title = self.title or row.get("dataset_title", "")
