"""Items of the content tree of a structured report: names, values, what a measurement group says of itself.

Concepts are compared with SNOMED's older codes (SRT) taken for the newer (SCT), as pydicom maps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from workbench.labels.header import first, items, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Concepts by the role they play: codes of PS3.16, SNOMED in the current scheme.
CONCEPTS: Final[dict[str, tuple[str, ...]]] = {
    # TID 1500
    "report": ("DCM:126000",),
    "measurements": ("DCM:126010",),
    "library": ("DCM:111028",),
    "observer_type": ("DCM:121005",),
    # TID 1501, 1410, 1411
    "group": ("DCM:125007",),
    "tracking_id": ("DCM:112039",),
    "tracking_uid": ("DCM:112040",),
    "category": ("SCT:276214006",),
    "finding": ("DCM:121071",),
    "time_point": ("UMLS:C2348792",),
    "segment": ("DCM:121191",),
    "segmentation_frame": ("DCM:121214",),
    "source_series": ("DCM:121232",),
    # TID 300 and 1419
    "site": ("SCT:363698007",),
    "laterality": ("SCT:272741003",),
    "modifier": ("SCT:106233006",),
    "method": ("SCT:370129005",),
    "derivation": ("DCM:121401",),
    "algorithm": ("DCM:111001",),
    "algorithm_version": ("DCM:111003",),
}


def below(item: Dataset) -> Iterator[Dataset]:
    """The item and everything in it; without recursion, for trees of any depth."""
    waiting = [item]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(items(each, "ContentSequence"))


def code_of(item: Dataset | None) -> tuple[str, str]:
    """``scheme:value``, SNOMED in the current scheme, and meaning of one item of a code sequence."""
    value = next((v for k in ("CodeValue", "LongCodeValue", "URNCodeValue") if (v := text(item, k))), "")
    scheme = text(item, "CodingSchemeDesignator")
    if scheme in ("SRT", "SNM3", "99SDM"):
        # The three older names of SNOMED (PS3.16 section 8.1).
        from pydicom.sr._snomed_dict import mapping

        if value in mapping["SRT"]:
            scheme, value = "SCT", mapping["SRT"][value]
    return (f"{scheme}:{value}" if value else "", text(item, "CodeMeaning"))


def named(item: Dataset) -> tuple[str, str]:
    """Code and meaning of the concept name of a content item."""
    return code_of(first(item, "ConceptNameCodeSequence"))


def coded(item: Dataset) -> tuple[str, str]:
    """Code and meaning of the value of a content item."""
    return code_of(first(item, "ConceptCodeSequence"))


def plays(item: Dataset, role: str) -> bool:
    """Whether the concept of an item is one of a role."""
    return named(item)[0] in CONCEPTS[role]


def titled(item: Dataset) -> str:
    """What an unread item is called in a finding; its code alone, as a meaning may be anything."""
    code, _ = named(item)
    return f"an item of concept {code}" if code else "an item without a concept"


def template_of(item: Dataset) -> str:
    """TemplateIdentifier of a container; empty where it is not stated."""
    return text(first(item, "ContentTemplateSequence"), "TemplateIdentifier")


def said(content: list[Dataset], role: str, keyword: str) -> str:
    """Text or UID of the first item in a role; empty where there is none."""
    return next((text(item, keyword) for item in content if plays(item, role)), "")


def answered(content: list[Dataset], role: str) -> tuple[str, str]:
    """Code and meaning that answer the first item in a role."""
    return next((coded(item) for item in content if plays(item, role)), ("", ""))


def context(content: list[Dataset]) -> dict[str, str]:
    """Site, method, derivation and algorithm, as a group or a single measurement states them."""
    site = next((item for item in content if plays(item, "site")), None)
    within = [] if site is None else items(site, "ContentSequence")
    told: dict[str, str] = {}
    told["site_code"], told["site"] = ("", "") if site is None else coded(site)
    told["laterality"] = answered(within, "laterality")[1] or answered(content, "laterality")[1]
    told["modifier"] = answered(within, "modifier")[1]
    told["method_code"], told["method"] = answered(content, "method")
    told["derivation_code"], told["derivation"] = answered(content, "derivation")
    parts = (said(content, "algorithm", "TextValue"), said(content, "algorithm_version", "TextValue"))
    told["algorithm"] = " ".join(part for part in parts if part)
    return told


def number_of(item: Dataset) -> dict[str, Any]:
    """Value, unit, and why there is none."""
    measured = first(item, "MeasuredValueSequence")
    if measured is None:
        reason = code_of(first(item, "NumericValueQualifierCodeSequence"))[1] or "the report gives no value"
        return {"value": float("nan"), "unit": "", "reason": reason}
    code, _ = code_of(first(measured, "MeasurementUnitsCodeSequence"))
    scheme, _, unit = code.partition(":")
    # The decimal text may be shorter than the number (PS3.3 C.18.1): the float is the better one where it is given.
    precise = measured.get("FloatingPointValue")
    stated = measured.get("NumericValue") if precise is None else precise
    try:
        value = float(stated)
    except (TypeError, ValueError):
        return {"value": float("nan"), "unit": unit, "reason": "the report gives no value"}
    return {"value": value, "unit": unit if scheme == "UCUM" else code, "reason": ""}


def region_of(content: list[Dataset]) -> dict[str, Any]:
    """What a group was measured on."""
    for item in content:
        if plays(item, "segment") or plays(item, "segmentation_frame"):
            reference = first(item, "ReferencedSOPSequence")
            number = text(reference, "ReferencedSegmentNumber")
            if number:
                sop = text(reference, "ReferencedSOPInstanceUID")
                return {"referenced_sop_uid": sop, "referenced_segment": int(number), "region": "SEGMENT"}
    graphics = [item for item in content if text(item, "ValueType") in ("SCOORD", "SCOORD3D")]
    images = [
        first(each, "ReferencedSOPSequence")
        for item in (graphics or content)
        for each in below(item)
        if text(each, "ValueType") == "IMAGE"
    ] or [first(item, "ReferencedSOPSequence") for item in content if text(item, "ValueType") == "IMAGE"]
    kinds = "+".join(dict.fromkeys(text(item, "GraphicType") for item in graphics))
    sop = next((uid for image in images if (uid := text(image, "ReferencedSOPInstanceUID"))), "")
    return {"referenced_sop_uid": sop, "referenced_segment": 0, "region": kinds}
