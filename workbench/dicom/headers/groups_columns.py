"""Functional groups, walked: the values of all frames, column by column."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from workbench.dicom.headers.elements import Declined
from workbench.dicom.headers.groups import GroupItems
from workbench.dicom.headers.groups_macros import LEAVES, Leaf, vr_of
from workbench.dicom.headers.groups_pydicom import real_world_values, value_of
from workbench.dicom.headers.groups_values import CLOSER, plain_value

#: Different values, and bytes of value maps, of one file that take pydicom to decode.
MOST_CLOSER: Final = 10_000
MOST_MAP_BYTES: Final = 8 * 1024**2


class Decoder:
    """Decodes elements; what is not plain as pydicom does, each different value once.

    Parameters
    ----------
    encoding
        Character set of the data set, as pydicom keeps it.
    sign : int or None
        PixelRepresentation.
    explicit : bool
        Explicit VR.
    """

    def __init__(self, encoding: Any, sign: int | None, *, explicit: bool) -> None:
        self.encoding: Final = encoding
        self.sign: Final = sign
        self.explicit: Final = explicit
        self._closer = self._map_bytes = 0

    def __call__(self, leaf: Leaf, element: bytes, known: dict[bytes | None, Any]) -> Any:
        """Value of an element, kept in *known*."""
        value = CLOSER
        if leaf.form != "maps":
            value = plain_value(element, leaf.form, None if self.explicit else vr_of(leaf.attribute))
        known[element] = value = self._closely(leaf, element) if value is CLOSER else value
        return value

    def _closely(self, leaf: Leaf, element: bytes) -> Any:
        from pydicom.filereader import read_dataset

        self._closer += 1
        self._map_bytes += len(element) if leaf.form == "maps" else 0
        if self._closer > MOST_CLOSER or self._map_bytes > MOST_MAP_BYTES:
            raise Declined("more values than can be decoded one by one")
        item = read_dataset(
            BytesIO(element), not self.explicit, True, parent_encoding=self.encoding, at_top_level=False
        )
        if leaf.form != "maps":
            return value_of(item, leaf.attribute, leaf.form)
        return real_world_values(item, self.sign)


def columns_of(groups: GroupItems | None, decode: Decoder) -> dict[str, list[Any]]:
    """Values of every column that some item fills, one per item; None where it does not.

    Raises
    ------
    Declined
        More than can be decoded within bounds.
    ValueError, TypeError
        A value is not of its form.
    """
    found: dict[str, list[Any]] = {}
    if groups is None or not groups.count:
        return found
    for number in sorted(groups.present):
        leaf = LEAVES[number]
        column = found.get(leaf.column) or [None] * groups.count
        known: dict[bytes | None, Any] = {None: None}
        for row, element in enumerate(groups.column(number)):
            if leaf.last_resort and column[row] is not None:
                continue
            value = decode(leaf, element, known) if element is not None and element not in known else known[element]
            if value is not None:
                column[row] = value
        if any(value is not None for value in column):
            found[leaf.column] = column
    return found
