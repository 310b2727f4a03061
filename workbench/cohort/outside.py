"""Nothing is written beside the data: a place to write to that lies outside every extract."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import UsageError
from workbench.extracts.paths import inside

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort


def require_outside(path: str | os.PathLike[str], cohort: Cohort) -> Path:
    """Path as it is given, ``~`` expanded, where it lies in no extract of a cohort.

    Links are followed first, so one that leads into an extract is seen through.

    Raises
    ------
    UsageError
        It is the folder of an extract, or lies within one.
    """
    place = Path(path).expanduser()
    real = os.path.realpath(place)
    for extract in cohort.extracts:
        if inside(real, (Path(os.path.realpath(extract.root)),)):
            raise UsageError(
                f"it lies within the extract {extract.node}, and nothing is written beside the data",
                file=place.name,
                remedy="name a place outside the extracts",
            )
    return place
