"""What must be said of a segment before it can be written: type, category, region, and who or what drew it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, cast

from workbench.arguments import short
from workbench.errors import UsageError
from workbench.labels.codes import Kind, concepts, find_concept
from workbench.labels.segment import Segment

#: SegmentAlgorithmType (PS3.3 C.8.20.4).
ALGORITHMS: Final = ("MANUAL", "SEMIAUTOMATIC", "AUTOMATIC")

#: Letters of a SegmentLabel or SegmentAlgorithmName (PS3.5 table 6.2-1, LO).
LONGEST: Final = 64

#: ``scheme:value`` of the shipped table, or scheme, value and meaning of any other code.
CodeLike = str | tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class SegmentCodes:
    """What one segment is, in codes.

    Examples
    --------
    >>> SegmentCodes(type="SCT:108369006", region="SCT:39607008").type
    'SCT:108369006'
    """

    #: What was segmented, e.g. ``SCT:108369006`` (neoplasm); ``workbench.labels.search_codes`` finds them.
    type: CodeLike = ""
    #: Its category; may be left out where the type of the shipped table has one alone.
    category: CodeLike = ""
    #: Where in the body; may be left out.
    region: CodeLike = ""
    #: ``MANUAL``, ``SEMIAUTOMATIC`` or ``AUTOMATIC``.
    algorithm: str = ""
    #: Name of the algorithm, where one drew it.
    algorithm_name: str = ""


#: Codes of one segment: its type alone, or more.
OneOrMore = CodeLike | SegmentCodes | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Coded:
    """Everything a segment description needs; codes as (value, scheme, meaning)."""

    number: int
    label: str
    type: tuple[str, str, str]
    category: tuple[str, str, str]
    region: tuple[str, str, str] | None
    algorithm: str
    algorithm_name: str


def coded_segments(
    segments: Iterable[Segment], codes: Mapping[str, OneOrMore] | OneOrMore | None, *, algorithm: str, name: str
) -> list[Coded]:
    """Codes of all segments, from the caller and from what the mask says itself, numbered from 1.

    Raises
    ------
    UsageError
        Something that DICOM requires is missing for some segments; they are named, with how to search.
    """
    segments = list(segments)
    given = _by_name(codes, [segment.name for segment in segments])
    missing: dict[str, list[str]] = {}
    found = []
    for number, segment in enumerate(segments, 1):
        own = given.get(segment.name, SegmentCodes())
        kind = _resolved(own.type or _said(segment.code, segment.meaning), "type", segment.name)
        category = _category(own, segment, kind)
        region = _resolved(own.region or _said(segment.region, segment.region_meaning), "region", segment.name)
        how = (own.algorithm or algorithm or segment.algorithm).upper()
        program = own.algorithm_name or name or segment.annotator
        for said in (segment.name, program):
            if len(said) > LONGEST or "\\" in said:
                raise UsageError(f"no name for a DICOM segment: {said!r}", remedy=f"up to {LONGEST} letters, no \\")
        lacking = {
            "type": kind is None,
            f"category{_choice(kind)}": kind is not None and category is None,
            "algorithm": not how,
            "algorithm_name": how in ALGORITHMS[1:] and not program,
        }
        for what, lacks in lacking.items():
            if lacks:
                missing.setdefault(what, []).append(segment.name)
        if how and how not in ALGORITHMS:
            raise UsageError(f"no kind of algorithm {how!r}", remedy=f"one of {', '.join(ALGORITHMS)}")
        if kind and category:
            found.append(Coded(number, segment.name, kind, category, region, how, program))
    if missing:
        told = "; ".join(f"{what} of {', '.join(names[:10])}" for what, names in missing.items())
        first = segments[0].name
        examples = {
            "type": f"codes={{{first!r}: {{'type': 'SCT:10200004'}}}}",
            "category": f"codes={{{first!r}: {{'type': 'SCT:10200004', 'category': 'SCT:123037004'}}}}",
            "algorithm": "algorithm='MANUAL'",
            "algorithm_name": "algorithm_name='nnU-Net 2' (what drew it, never a person)",
        }
        lacks_code = any(what.startswith(("type", "category")) for what in missing)
        search = "Search codes with workbench.labels.search_codes('liver'). " if lacks_code else ""
        shown = ", ".join(dict.fromkeys(examples[what.partition(" ")[0]] for what in missing))
        raise UsageError(
            f"a DICOM segmentation must say more, and this is missing: {told}",
            remedy=f"{search}Pass for example {shown}",
        )
    return found


def _by_name(codes: Mapping[str, OneOrMore] | OneOrMore | None, names: list[str]) -> dict[str, SegmentCodes]:
    """The caller's codes by segment; given once, they hold for every segment."""
    if codes is None:
        return {}
    known = {field.name for field in fields(SegmentCodes)}
    if not isinstance(codes, Mapping) or (codes and set(codes) <= known and not set(codes) & set(names)):
        return dict.fromkeys(names, _one(codes, known))
    strangers = [str(name) for name in codes if name not in names]
    if strangers:
        raise UsageError(
            f"codes for segments that are not there: {', '.join(strangers)}", remedy=f"there are: {', '.join(names)}"
        )
    return {str(name): _one(value, known) for name, value in codes.items()}


def _one(value: Any, known: set[str]) -> SegmentCodes:
    if isinstance(value, SegmentCodes):
        return value
    if isinstance(value, Mapping):
        if strangers := set(value) - known:
            raise UsageError(f"no such thing to say of a segment: {', '.join(sorted(map(str, strangers)))}",
                             remedy=f"there are: {', '.join(sorted(known))}")  # fmt: skip
        return replace(SegmentCodes(), **value)
    if not isinstance(value, (str, list, tuple)):
        raise UsageError(f"codes cannot be {short(value)}", remedy="give 'scheme:value', (scheme, value, meaning) or a "
                         "mapping with 'type', 'category', 'region'")  # fmt: skip
    return SegmentCodes(type=cast(CodeLike, value))


def _is_code(code: Any) -> bool:
    return isinstance(code, (list, tuple)) and len(code) == 3 and all(isinstance(part, str) and part for part in code)


def _resolved(code: CodeLike, kind: Kind, segment: str) -> tuple[str, str, str] | None:
    """Value, scheme and meaning; None where no code is given."""
    if isinstance(code, str) and not code:
        return None
    if isinstance(code, str):
        concept = find_concept(code, kind)
        if concept is None:
            raise UsageError(
                f"{code} is not in the table of codes as a {kind} (segment {segment})",
                remedy=f"search_codes(..., kind={kind!r}) lists them; pass (scheme, value, meaning) for any other",
            )
        return concept.value, concept.scheme, concept.meaning
    if not _is_code(code):
        raise UsageError(f"a code of segment {segment} is not (scheme, value, meaning)", remedy="give all three")
    return code[1], code[0], code[2]


def _said(code: str, meaning: str) -> CodeLike:
    """A code as the mask carries it: with its meaning where that is known, so that it needs no table."""
    scheme, _, value = code.partition(":")
    return (scheme, value, meaning) if scheme and value and meaning else code


def _category(own: SegmentCodes, segment: Segment, kind: tuple[str, str, str] | None) -> tuple[str, str, str] | None:
    """The category given, that which the mask names, or the only one of the type."""
    if own.category:
        return _resolved(own.category, "category", segment.name)
    if not own.type:
        if segment.category_code and segment.category:
            return _resolved(_said(segment.category_code, segment.category), "category", segment.name)
        for concept in concepts():
            if concept.kind == "category" and segment.category in (concept.meaning, concept.code):
                return concept.value, concept.scheme, concept.meaning
    possible = _possible(kind)
    return _resolved(possible[0], "category", segment.name) if len(possible) == 1 else None


def _possible(kind: tuple[str, str, str] | None) -> tuple[str, ...]:
    concept = find_concept(f"{kind[1]}:{kind[0]}", "type") if kind else None
    return concept.categories if concept else ()


def _choice(kind: tuple[str, str, str] | None) -> str:
    possible = _possible(kind)
    return f" ({' or '.join(possible)})" if len(possible) > 1 else ""
