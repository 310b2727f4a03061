"""A cohort held against a profile of minimum attributes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.cohort.minimum import from_files, queries
from workbench.cohort.minimum.checked import Checked, CheckRow
from workbench.cohort.minimum.counting import Count, Unit, count_rows, count_units
from workbench.cohort.minimum.profile import Check, checks
from workbench.errors import PathNotFound, UsageError
from workbench.extracts.content import read_content
from workbench.options import options

if TYPE_CHECKING:
    from workbench.cohort.questions.asking import Questions

#: What a description of a dataset may say, as text or number.
DESCRIPTION: Final = ("number_of_annotators", "annotator_type", "annotator_experience", "annotation_sequence")
Description = Mapping[str, Any] | str | os.PathLike[str]


def check(
    cohort: Questions,
    profile: str = "eucaim-minimum",
    *,
    description: Description | None = None,
    tier3: bool = False,
) -> Checked:
    """Count which units of a cohort pass each check of a profile.

    Parameters
    ----------
    cohort : Cohort
        What is checked.
    profile : str, default "eucaim-minimum"
        Name of the profile.
    description : mapping or path, optional
        What the node's description of the dataset says of its annotations: ``number_of_annotators``,
        ``annotator_type``, ``annotator_experience``, ``annotation_sequence``; as JSON in a file, or as a mapping. By
        node where the nodes differ: ``{"aurora": {...}}``.
    tier3 : bool, default False
        The formats that tier 3 asks for are mandatory.

    Returns
    -------
    Checked
        One row per check; a check that fails is no error.

    Raises
    ------
    UsageError, PathNotFound
        No such profile; a description that is none.

    Examples
    --------
    ``wb.open_cohort("demo/extracts/*").check()``
    """
    listed = checks(profile)
    counted = _Counting(cohort, listed, _described(description, [extract.node for extract in cohort.extracts]))
    rows = [CheckRow(check, tuple(counted.of(check))) for check in listed]
    nodes = tuple(dict.fromkeys(extract.node for extract in cohort.extracts))
    made = Checked(profile, nodes, tuple(rows), tier3)
    return made.shareable() if options.audience == "shareable" else made


class _Counting:
    """Counts of one cohort; what several checks look at is read once."""

    def __init__(self, cohort: Questions, listed: tuple[Check, ...], described: dict[str, Mapping[str, Any]]) -> None:
        self._database = cohort._database
        self._extracts = {extract.node: extract for extract in cohort.extracts}
        self._described = described
        for statement in queries.layout(listed):
            self._database.run(statement)
        self._how: dict[str, Callable[[Check], list[Count]]] = {
            "header": lambda check: self._ask(queries.header(check)),
            "clinical": lambda check: self._ask(queries.clinical(check)),
            "link": lambda _: self._ask(queries.LINK),
            "duplicates": lambda _: self._ask(queries.DUPLICATES),
            "formats": lambda _: self._ask(queries.FORMATS),
            "sidecar": lambda _: count_units(from_files.sidecar_units(self._database, self._extracts)),
            "segment": lambda check: count_units(
                from_files.segment_units(self._segments, check.of, check.accepts, drawn_too=not check.when)
            ),
            "offsets": lambda _: count_rows(
                self._database, queries.OFFSETS, from_files.marked_studies(self._database, self._extracts)
            ),
            "description": self._description,
        }

    def of(self, check: Check) -> list[Count]:
        """Counts of one check, per node that has anything to count."""
        return self._how[check.how](check)

    def _ask(self, units: str) -> list[Count]:
        return count_rows(self._database, units)

    @cached_property
    def _segments(self) -> list[from_files.Segments]:
        return from_files.segmentations(self._database, self._extracts)

    def _description(self, check: Check) -> list[Count]:
        units = []
        for (node,) in self._database.rows(queries.ANNOTATED):
            stated = self._described.get(node, {}).get(check.of)
            units.append(Unit(node, "", stated not in (None, "", [], {}), node))
        return count_units(units)


def _described(given: Description | None, nodes: list[str]) -> dict[str, Mapping[str, Any]]:
    """The description of each node's dataset.

    Raises
    ------
    UsageError, PathNotFound
    """
    if given is None:
        return {}
    remedy = f"write a JSON object with {', '.join(DESCRIPTION)}, or one such object per node"
    content: Any = given
    if isinstance(given, (str, os.PathLike)):
        place = Path(given).expanduser()
        if not place.exists():
            raise PathNotFound("no such description", file=place.name, remedy=remedy)
        try:
            content = json.loads(read_content(place))
        except (OSError, ValueError, RecursionError):
            raise UsageError("the description cannot be read as JSON", file=place.name, remedy=remedy) from None
    if not isinstance(content, Mapping):
        raise UsageError("the description is no object", remedy=remedy)
    by_node = bool(content) and all(isinstance(value, Mapping) for value in content.values())
    told: dict[str, Mapping[str, Any]] = dict(content) if by_node else dict.fromkeys(nodes, content)
    if by_node and set(told) - set(nodes):
        raise UsageError("the description names nodes that are not opened", remedy=f"nodes: {', '.join(nodes)}")
    unknown = sorted({str(name) for one in told.values() for name in one} - set(DESCRIPTION))
    if unknown:
        raise UsageError(f"the description has unknown fields: {', '.join(unknown)[:200]}", remedy=remedy)
    return told
