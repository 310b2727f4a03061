"""How an extract is to be read, where its files alone do not say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a caller may say about an extract; each layout lists in ``ACCEPTS`` what it understands.

    Examples
    --------
    >>> ReadOptions(id_column="case_no").given()
    ('id_column',)
    """

    #: Column of the clinical tables that names the patient.
    id_column: str | None = None
    #: Column of the clinical tables that names the centre: splits one extract into nodes, for analysis.
    node_column: str | None = None
    #: Rows of the clinical tables' header, where it has several.
    header: int | None = None
    #: Clinical tables that stand outside the extract: files, or folders of them.
    clinical: tuple[Path, ...] = ()
    #: A filtered copy of the extract's entry file.
    index: Path | None = None
    #: Table that says which patient an identifier of the extract's tables belongs to.
    links: Path | None = None
    #: Folder names that stand for a modality, by name; DICOM codes.
    modalities: Mapping[str, str] = field(default_factory=dict)
    #: Folder names that hold masks.
    masks: tuple[str, ...] = ()
    #: Whether clinical tables beside the images are read; not where another layout reads them.
    tables: bool = True

    def given(self) -> tuple[str, ...]:
        """Names of the options that say something."""
        nothing = ReadOptions()
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != getattr(nothing, f.name))

    def only(self, names: Collection[str]) -> ReadOptions:
        """The same, without what a layout that understands *names* alone would not heed."""
        nothing = ReadOptions()
        return replace(self, **{name: getattr(nothing, name) for name in self.given() if name not in names})
