"""What of a dataset's record a cohort tells: a table of fields, and how it prints."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final, Literal

from workbench.cohort.catalogue.fields import Field

if TYPE_CHECKING:
    import pandas as pd

#: ``found`` in the cohort, ``declared`` by the extract, ``hidden`` for resting on few patients, ``missing`` though a
#: cohort could tell it, ``to state`` by a person.
State = Literal["found", "declared", "hidden", "missing", "to state"]
#: Columns of the table.
COLUMNS: Final = ("node", "group", "field", "level", "state", "found", "words", "declared", "note", "says", "source")


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of the record of one node's dataset."""

    #: Who holds the dataset.
    node: str
    field: Field
    state: State
    #: Values: IRIs of the hyper-ontology where the vocabulary has a code, else words; numbers; days.
    found: tuple[str | int | bool, ...] = ()
    #: The same in words, where they are codes.
    words: tuple[str, ...] = ()
    #: What the extract says of itself.
    declared: str | int | None = None
    #: What must be known before it is used.
    note: str = ""

    def cells(self) -> dict[str, Any]:
        """The row of the table."""
        return {
            "node": self.node, "group": self.field.group, "field": self.field.field, "level": self.field.level,
            "state": self.state, "found": list(self.found), "words": list(self.words), "declared": self.declared,
            "note": self.note, "says": self.field.says, "source": self.field.source,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Described:
    """Records of a cohort's datasets, one per node; made by :func:`workbench.catalogue.describe`."""

    entries: tuple[Entry, ...]
    #: Fewest patients behind what is shown; 0 where everything is.
    min_count: int = 0
    #: What a reader must know.
    notes: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes, in the order opened."""
        return tuple(dict.fromkeys(entry.node for entry in self.entries))

    @property
    def table(self) -> pd.DataFrame:
        """One row per node and field: level, state, found, declared."""
        import pandas as pd

        return pd.DataFrame(self.cells(), columns=list(COLUMNS))

    def cells(self) -> list[dict[str, Any]]:
        """Rows of :attr:`table` as plain dictionaries."""
        return [entry.cells() for entry in self.entries]

    def missing(self, node: str, *, level: str = "M") -> tuple[str, ...]:
        """Fields of a level, by default the mandatory ones, that neither the cohort nor the extract tells."""
        return tuple(
            entry.field.field
            for entry in self.entries
            if entry.node == node and entry.field.level == level and entry.state in ("missing", "to state")
        )

    def _lines(self, node: str) -> list[tuple[str, str, str, str, str]]:
        return [
            (entry.field.field, entry.field.level, entry.state, _shown(entry), entry.note)
            for entry in self.entries
            if entry.node == node and entry.state != "to state"
        ]

    def _to_state(self, node: str) -> str:
        names = [f"{e.field.field} {e.field.level}" for e in self.entries if e.node == node and e.state == "to state"]
        return f"to be stated by a person: {', '.join(names)}"

    def __repr__(self) -> str:
        lines: list[str] = []
        for node in self.nodes:
            cells = [("field", "level", "state", "value", "note"), *self._lines(node)]
            widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
            lines += [f"{node}:"]
            lines += ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
            lines += [self._to_state(node), ""]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        parts = []
        for node in self.nodes:
            head = "".join(f"<th>{name}</th>" for name in ("field", "level", "state", "value", "note"))
            body = "".join(
                f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self._lines(node)
            )
            table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            parts.append(f"<p><strong>{escape(node)}</strong></p>{table}<p>{escape(self._to_state(node))}</p>")
        return "".join([*parts, *(f"<p>{escape(note)}</p>" for note in self.notes)])


def _shown(entry: Entry, limit: int = 60) -> str:
    """Values on one line, codes without what is the same in all of them."""
    words = entry.words or ("",) * len(entry.found)
    told = [
        f"{str(value).rpartition('#')[2]} {word}" if word and word != value else str(value)
        for value, word in zip(entry.found, words, strict=True)
    ]
    if not told and entry.declared is not None:
        told = [str(entry.declared)]
    text = "".join(char if char.isprintable() else " " for char in ", ".join(told))
    return text if len(text) <= limit else text[: limit - 3] + "..."
