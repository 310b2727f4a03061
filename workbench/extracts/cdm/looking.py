"""One look at every table of an export: each row is read once, and shown to whoever has something to tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from workbench.extracts.cdm.parts import Part, Row
from workbench.extracts.cdm.unite import United
from workbench.progress import task

#: Rows between two steps of the bar.
_STEP: Final = 1000


class Watch(Protocol):
    """What looks on."""

    def see(self, name: str, part: Part, number: int, row: Row, /) -> None:
        """Look at one row that stands: its table, file, number and cells."""


def look(tables: Mapping[str, United], watches: Sequence[Watch], *, label: str = "tables") -> None:
    """Read every table for the first time, those that others refer to before them; each watch sees rows in turn.

    Parameters
    ----------
    tables : mapping
        Every table of the export by name, in the order they are to be read in.
    watches : sequence of Watch
        Each row is shown to the first of them first.
    label : str
        What the progress bar says.
    """
    with task(label, None, unit="rows") as advance:
        for name, united in tables.items():
            seen = 0
            for part, number, row in united.settled():
                for watch in watches:
                    watch.see(name, part, number, row)
                seen += 1
                if seen == _STEP:
                    advance(seen)
                    seen = 0
            advance(seen)
