"""Which mapping files speak for one extract."""

from __future__ import annotations

import os

from workbench.cohort.vocabulary.mapping import Mappings, mappings
from workbench.extracts.composed import tables_layout
from workbench.extracts.record import Extract


def mappings_of(extract: Extract, user: str | os.PathLike[str] | None = None) -> Mappings:
    """The user's file first, then that of the layout, then that of its tables where they are of another.

    Raises
    ------
    PathNotFound, UsageError
        The user's file cannot be used.
    """
    found, other = mappings(extract.layout, user), tables_layout(extract)
    return found if other == extract.layout else found.beside(mappings(other))
