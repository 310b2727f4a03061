"""Which masks count is the user's to say: by name, code, algorithm or annotator, the newest, and above a threshold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import UsageError
from workbench.findings import Finding
from workbench.labels.names import NameTable
from workbench.labels.segment import Integers, Layers, Masks, Segment, occupied

#: ``newest``, or what segments must be; see :func:`chosen`.
Select = Literal["newest"] | Mapping[str, Any]

#: What a selection may ask of a segment, and which of its fields answer.
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "name": ("name", "standard"),
    "code": ("code", "meaning"),
    "category": ("category", "category_code"),
    "region": ("region", "region_meaning"),
    "algorithm": ("algorithm",),
    "annotator": ("annotator",),
    "kind": ("kind",),
    "source_uid": ("source_uid",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """Some segments of other layers."""

    layers: Layers
    #: Their places among the segments of those.
    places: tuple[int, ...]

    def read(self, segment: int, slices: Integers) -> Any:
        """Voxels (len(slices), y, x) of a segment."""
        return self.layers.read(self.places[segment], slices)

    def occupied(self, segment: int) -> Integers | None:
        """Slices on which a segment may have voxels, as far as the layers know."""
        return occupied(self.layers, self.places[segment])


@dataclass(frozen=True, slots=True, eq=False)
class Thresholded:
    """Fractions made yes and no."""

    layers: Layers
    #: The least fraction that is in the mask.
    threshold: float

    def read(self, segment: int, slices: Integers) -> NDArray[np.bool_]:
        """Voxels (len(slices), y, x) of a segment."""
        return np.asarray(self.layers.read(segment, slices) >= np.float32(self.threshold))

    def occupied(self, segment: int) -> Integers | None:
        """Slices on which a segment may have voxels, as far as the layers know."""
        return occupied(self.layers, segment)


def check_select(select: Select | None) -> dict[str, Any]:
    """What is asked for, as a mapping.

    Raises
    ------
    UsageError
        A word or a key that means nothing here.
    """
    if select is None:
        return {}
    wanted: dict[str, Any] = (
        dict(select) if isinstance(select, Mapping) else {"newest": True} if _is_newest(select) else {"": 0}
    )
    unknown = sorted(str(key) for key in wanted.keys() - _FIELDS.keys() - {"newest"})
    if unknown:
        known = ", ".join([*_FIELDS, "newest"])
        told = repr(select) if unknown == [""] else ", ".join(unknown)
        raise UsageError(f"masks cannot be selected by {told}", remedy=f"use 'newest', or a mapping of {known}")
    for key, value in wanted.items():
        texts = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple, set)) else [None]
        if key != "newest" and not (texts and all(isinstance(one, str) and one for one in texts)):
            raise UsageError(f"{key} cannot be {value!r}", remedy="give a text or several; * stands for anything")
    if not isinstance(wanted.get("newest", False), bool):
        raise UsageError("newest is True or False", remedy="select={'newest': True}")
    return wanted


def _is_newest(select: object) -> bool:
    return isinstance(select, str) and select == "newest"


def chosen(masks: Iterable[Masks], select: Select | None) -> tuple[list[Masks], list[Finding]]:
    """The masks of the segments that are asked for, and what is irregular about the choice.

    Parameters
    ----------
    masks : iterable of Masks
        One of each label object.
    select : "newest" or mapping, optional
        ``name``, ``code``, ``category``, ``region``, ``algorithm``, ``annotator``, ``kind``, ``source_uid``: a text
        or several, ``*`` stands for anything, case does not count; a name may be the standard one. ``newest``: of the
        objects that have such segments, the one with the latest date and time of content.

    Raises
    ------
    UsageError
        A key that means nothing here.

    Examples
    --------
    >>> segments = [Segment(1, "GTV_1"), Segment(2, "Lung")]
    >>> found, _ = chosen([Masks.from_array(segments, np.zeros((2, 1, 2, 2), bool))], {"name": "gtv*"})
    >>> [segment.name for segment in found[0].segments]
    ['GTV_1']
    """
    wanted = check_select(select)
    every = list(masks)
    if not wanted:
        return every, []
    newest = wanted.pop("newest", False)
    kept = [some for each in every if (some := _those(each, lambda s: _fits(s, wanted))).segments]
    findings: list[Finding] = []
    if newest and len(kept) > 1:
        kept, findings = _newest(kept)
    if not kept and any(each.segments for each in every):
        asked = ", ".join(wanted) or "newest"
        findings.append(Finding("label-not-selected", f"no segment fits what was selected by {asked}"))
    # What is irregular about an object stays told, whichever of its segments are taken.
    told = {segment.source_uid for each in kept for segment in each.segments}
    for each in every:
        if not each.segments or each.segments[0].source_uid not in told:
            findings.extend(each.findings)
    return kept, findings


def _fits(segment: Segment, wanted: Mapping[str, Any]) -> bool:
    for key, value in wanted.items():
        patterns = [_escaped(one) for one in ([value] if isinstance(value, str) else list(value))]
        told = [str(getattr(segment, name)).casefold() for name in _FIELDS[key]]
        if not any(fnmatchcase(text, str(pattern).casefold()) for text in told for pattern in patterns):
            return False
    return True


def _escaped(pattern: object) -> str:
    """Pattern in which the star alone is special: a name may have brackets and question marks in it."""
    return re.sub(r"[\[?]", lambda found: f"[{found[0]}]", str(pattern))


def _those(masks: Masks, fits: Callable[[Segment], bool]) -> Masks:
    places = tuple(index for index, segment in enumerate(masks.segments) if fits(segment))
    if len(places) == len(masks.segments):
        return masks
    return replace(
        masks, segments=tuple(masks.segments[place] for place in places), layers=Picked(masks.layers, places)
    )


def _newest(masks: Sequence[Masks]) -> tuple[list[Masks], list[Finding]]:
    """The object with the latest date; objects of one date stand side by side."""
    dates = [each.segments[0].date for each in masks]
    latest = max(dates)
    findings = []
    if undated := sum(not date for date in dates):
        text = f"{undated} of {len(masks)} label objects have no date and do not count as newest"
        findings.append(Finding("label-undated", text, count=undated))
    if not latest:
        return list(masks), findings
    # A day without a time does not come before a time on that day: they cannot be told apart.
    newest = [each for each, date in zip(masks, dates, strict=True) if date and latest.startswith(date)]
    if len(newest) > 1:
        text = f"{len(newest)} label objects are equally new"
        findings.append(Finding("label-undated", text, count=len(newest)))
    return newest, findings


def named(masks: Masks, table: NameTable) -> Masks:
    """Masks whose segments carry their standard name, as far as the table has one."""
    segments = tuple(replace(s, standard=table.standard(s.name) or s.standard) for s in masks.segments)
    return replace(masks, segments=segments)


def above(masks: Masks, threshold: float | None) -> Masks:
    """Masks, fractions made yes and no where they are at least *threshold*.

    Raises
    ------
    UsageError
        Not above 0 and at most 1.
    """
    if threshold is None:
        return masks
    given: Any = threshold
    # True is a number to Python, and none to a reader.
    if isinstance(given, bool) or not isinstance(given, (int, float, np.number)) or not 0 < given <= 1:
        told = given if isinstance(given, (int, float)) and abs(given) < 1e9 else type(given).__name__
        raise UsageError(f"threshold {told} is not above 0 and at most 1", remedy="threshold=0.5, for example")
    if masks.kind == "mask":
        return masks
    findings = tuple(finding for finding in masks.findings if finding.code != "label-fractional")
    return replace(
        masks, layers=Thresholded(masks.layers, threshold), kind="mask", fractional_type="", findings=findings
    )
