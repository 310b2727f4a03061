"""A series of a store as a Dataset that never gives other values than were written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.cohort.images.seal import ATTRIBUTE, Seal, read_seal
from workbench.errors import DamagedStore

if TYPE_CHECKING:
    import xarray as xr

REMEDY: Final = "run cache again: it writes anew what is damaged"


@dataclass(frozen=True)
class Sealed:
    """A series, or a part of one, in a store."""

    #: Folder of the group.
    path: Path
    #: What the index of the store says of it.
    entry: dict[str, Any]
    #: What was written into it.
    seal: Seal

    def require(self, array: str = "") -> None:
        """Nothing where every file, or every one of an array, is there.

        Raises
        ------
        DamagedStore
            One is missing, or of another size; or metadata are not as they were written.
        """
        if not self.seal.is_whole(self.path, array=array):
            raise self.damaged()

    def damaged(self) -> DamagedStore:
        """The error that says so."""
        return _damaged(self.path, self.entry)


def read_sealed(path: Path, entry: dict[str, Any]) -> xr.Dataset:
    """Lazy Dataset of a group.

    Parameters
    ----------
    path : Path
        Its folder.
    entry : dict
        What the index of the store says of it.

    Raises
    ------
    DamagedStore
        Files are missing or damaged; bytes of chunks are looked at when they are read.
    """
    from workbench.arrays.guarded import open_guarded

    seal = read_seal(path)
    if seal is None:
        raise _damaged(path, entry)
    group = Sealed(path, entry, seal)
    group.require()
    dataset = open_guarded(path, group)
    dataset.attrs.pop(ATTRIBUTE, None)
    return dataset


def _damaged(path: Path, entry: dict[str, Any]) -> DamagedStore:
    # The store's own name: those below it are of patients.
    store = path.parents[str(entry["group"]).count("/")]
    what = "a series of the store is damaged or not whole"
    return DamagedStore(what, file=store.name, series=entry["series_uid"], remedy=REMEDY)
