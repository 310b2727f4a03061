"""Variables of a question whose values look like another unit at some node: told where its answer is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from workbench.cohort.database.statements import column_names

if TYPE_CHECKING:
    from workbench.cohort.database.database import Database

#: What is suspected at the nodes that still have a patient when the question is asked: who it leaves out is told too.
_SUSPECTED: Final = """
select distinct f.node, f.message from all_findings f semi join kept_patients k using (node)
where f.code = 'unit-suspected' order by all"""


@dataclass(frozen=True, order=True)
class Doubt:
    """A suspicion that values which a question compares are in another unit."""

    variable: str
    node: str
    #: What is suspected, with counts of values.
    text: str

    def __str__(self) -> str:
        return f"unit-suspected at {self.node}: {self.text}"

    @property
    def public(self) -> str:
        """The same without a count, for it may be of few patients."""
        return f"unit-suspected at {self.node}: {self.variable}"


def doubts_of(database: Database, expressions: Iterable[str]) -> list[Doubt]:
    """What is suspected of the variables that SQL expressions name."""
    suspected = [Doubt(text.partition(":")[0], node, text) for node, text in database.rows(_SUSPECTED)]
    named = {name for text in expressions for name in column_names(text)} if suspected else set()
    return [doubt for doubt in suspected if doubt.variable.casefold() in named]


def as_html(lines: Iterable[str]) -> str:
    """A paragraph for each line, as a notebook shows it."""
    return "".join(f"<p>! {escape(line)}</p>" for line in lines)
