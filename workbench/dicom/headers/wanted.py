"""The wanted tags, arranged so that a walk finds them by the bytes of an element."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from workbench.dicom.headers.elements import BINARY_VRS, TEXT_VRS, key
from workbench.dicom.headers.tags import EITHER_SIGN, NOT_IMAGES, TAGS, Tag

#: Objects that are not images keep their bulk behind this group, where no kept tag is wanted.
LAST_GROUP_OF_OTHERS: Final = 0x0028


class Wanted:
    """Look-ups of a list of header columns.

    Parameters
    ----------
    extra : sequence of Tag, default ()
        Columns a user asks for, behind the kept ones.

    Examples
    --------
    >>> KEPT.tags[KEPT.column["Modality"]].vr
    'CS'
    """

    def __init__(self, extra: Sequence[Tag] = ()) -> None:
        #: Columns in the order of the header table.
        self.tags: Final = (*TAGS, *extra)
        #: Columns a user asked for.
        self.extra: Final = tuple(extra)
        #: Column name -> position.
        self.column: Final = {tag.keyword: index for index, tag in enumerate(self.tags)}
        #: Element at top level -> position; -1 for a sequence whose first item is wanted.
        self.public: Final[dict[bytes, int]] = {}
        #: Sequence -> element in its first item -> position.
        self.nested: Final[dict[bytes, dict[bytes, int]]] = {}
        #: Odd group -> creator -> element within the block -> position.
        self.private: Final[dict[bytes, dict[bytes, dict[int, int]]]] = {}
        for index, tag in enumerate(self.tags):
            if tag.creator:
                group = self.private.setdefault(key(tag.number)[:2], {})
                group.setdefault(tag.creator.encode(), {})[tag.number & 0xFF] = index
            elif tag.sequence:
                self.public[key(tag.sequence)] = -1
                self.nested.setdefault(key(tag.sequence), {})[key(tag.number)] = index
            else:
                self.public[key(tag.number)] = index
        #: VRs under which a file's bytes are taken as they are, by column; pydicom makes sense of others.
        self.accepted: Final = tuple(_accepted(tag) for tag in self.tags)
        #: Columns whose VR is known to no dictionary: only a file's own, explicit one tells.
        self.unknown: Final = frozenset(index for index, tag in enumerate(self.tags) if tag.vr == "UN")
        #: Columns of which only the presence counts.
        self.present: Final = frozenset(index for index, tag in enumerate(self.tags) if tag.form == "present")
        #: Columns that stay empty in objects that are not images.
        self.images_only: Final = tuple(
            index
            for index, tag in enumerate(TAGS)
            if (tag.sequence or tag.number) >> 16 > LAST_GROUP_OF_OTHERS or tag.creator
        )
        #: The walk of an object that is not an image ends behind this group.
        self.last_group_of_others: Final = max(LAST_GROUP_OF_OTHERS, *(tag.number >> 16 for tag in extra), 0)
        self.sop_class: Final = self.column["SOPClassUID"]

    @cached_property
    def signature(self) -> list[list[str | int]]:
        """What the columns mean, for comparison with a stored table."""
        return [[tag.keyword, tag.number, tag.vr, tag.form, tag.sequence, tag.creator] for tag in self.tags]

    def without_images_only(self, values: list[bytes | None]) -> None:
        """Empty the columns that only images fill, where the object is none."""
        sop_class = values[self.sop_class]
        if sop_class is not None and sop_class.rstrip(b"\0 ").decode("ascii", "replace") in NOT_IMAGES:
            for index in self.images_only:
                values[index] = None


def _accepted(tag: Tag) -> frozenset[bytes]:
    if tag.vr == EITHER_SIGN:
        return frozenset((b"US", b"SS", b"UN"))
    if tag.vr == "UN":
        return TEXT_VRS
    if tag.vr.encode() in TEXT_VRS:
        return TEXT_VRS | {b"UN"}
    if tag.form == "present" and tag.vr != "SQ":
        return BINARY_VRS | {b"UN"}
    return frozenset((tag.vr.encode(), b"UN"))


#: The kept columns alone.
KEPT: Final = Wanted()
