"""Hypothesis strategies: headers as bytes, and geometries."""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack
from typing import Any

import numpy as np
from hypothesis import strategies as st
from pydicom.datadict import dictionary_has_tag, dictionary_VR

from workbench.dicom.headers.columns import BINARY
from workbench.dicom.headers.tags import EITHER_SIGN, TAGS, Tag
from workbench.dicom.headers.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE

LONG = ("OB", "OW", "OF", "SQ", "UN", "UT", "UC", "UR")
UNDEFINED = 0xFFFFFFFF
#: Kept tags by where they stand.
PUBLIC = tuple(tag for tag in TAGS if not tag.sequence and not tag.creator)
NESTED = tuple(tag for tag in TAGS if tag.sequence)
PRIVATE = tuple(tag for tag in TAGS if tag.creator)
#: Character set -> Python codec that makes text for it.
CHARSETS = {
    None: "ascii", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8", "ISO_IR 144": "iso8859-5", "GB18030": "gb18030",
    "ISO_IR 13": "ascii", "ISO 2022 IR 6\\ISO 2022 IR 87": "iso2022_jp", "ISO_IR 999": "ascii",
    "ISO_IR 166": "iso8859-11", "\\ISO 2022 IR 149": "ascii",
}  # fmt: skip


@dataclass(frozen=True)
class Element:
    """One element of a header to be written: value bytes, or items where it is a sequence."""

    number: int
    vr: str
    value: bytes = b""
    items: tuple[tuple[Element, ...], ...] | None = None
    undefined: bool = False
    undefined_items: bool = False
    #: Bytes of each number in the value, which big endian turns round; 1 for text.
    size: int = 1


def encoded(element: Element, *, explicit: bool, big: bool = False) -> bytes:
    """The element as PS3.5 chapter 7 writes it, little endian unless *big*."""
    value, order = element.value, ">" if big else "<"
    if big and element.size > 1:
        value = b"".join(value[at : at + element.size][::-1] for at in range(0, len(value), element.size))
    if element.items is not None:
        # A UN of undefined length holds implicit VR, whatever surrounds it.
        inner = explicit and element.vr != "UN"
        value = b"".join(_item(item, inner, element.undefined_items, big) for item in element.items)
    elif len(value) % 2:
        value += b"\0" if element.vr in ("UI", "OB", "UN") else b" "
    length = UNDEFINED if element.undefined else len(value)
    tag = pack(order + "HH", element.number >> 16, element.number & 0xFFFF)
    if not explicit:
        head = tag + pack(order + "I", length)
    elif element.vr in LONG:
        head = tag + element.vr.encode() + b"\0\0" + pack(order + "I", length)
    else:
        head = tag + element.vr.encode() + pack(order + "H", length)
    return head + value + (pack(order + "HHI", 0xFFFE, 0xE0DD, 0) if element.undefined else b"")


def _item(elements: tuple[Element, ...], explicit: bool, undefined: bool, big: bool) -> bytes:
    content = b"".join(encoded(element, explicit=explicit, big=big) for element in elements)
    mark = ">HHI" if big else "<HHI"
    if undefined:
        return pack(mark, 0xFFFE, 0xE000, UNDEFINED) + content + pack(mark, 0xFFFE, 0xE00D, 0)
    return pack(mark, 0xFFFE, 0xE000, len(content)) + content


def part10(elements: list[Element], syntax: str, *, pixels: bytes | None = b"\1\2") -> bytes:
    """A whole file of these elements, pixel data last."""
    explicit, big = syntax != IMPLICIT_LE, syntax == EXPLICIT_BE
    meta = encoded(Element(0x00020010, "UI", syntax.encode()), explicit=True)
    meta = encoded(Element(0x00020000, "UL", pack("<I", len(meta))), explicit=True) + meta
    body = b"".join(encoded(element, explicit=explicit, big=big) for element in elements)
    if pixels is not None:
        body += encoded(Element(0x7FE00010, "OW", pixels), explicit=explicit, big=big)
    return bytes(128) + b"DICM" + meta + body


def _text(codec: str) -> st.SearchStrategy[bytes]:
    letters = st.text("ABCdef 019-_.,äéжщ漢字กข\\", max_size=12)
    return letters.map(lambda text: text.encode(codec, "ignore"))


_NUMBER = st.one_of(
    st.integers(-99999, 99999).map(str),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: f"{v:.6g}"),
    st.sampled_from(["", " 1.5 ", "+2", "1e3", "abc", "1.2.3", "-", "0", "1.0", "1\\2"]),
)


def value_of(tag: Tag, codec: str) -> st.SearchStrategy[bytes]:
    """Value bytes for a wanted tag, well formed or not."""
    if tag.vr in ("US", EITHER_SIGN):
        return st.integers(0, 65535).map(lambda v: pack("<H", v))
    if tag.vr == "FL":
        return st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda v: pack("<f", v))
    if tag.vr == "FD":
        count = int(tag.form.partition(":")[2] or 1)
        number = st.floats(allow_nan=False, allow_infinity=False)
        return st.lists(number, min_size=count, max_size=count).map(lambda parts: pack(f"<{count}d", *parts))
    if tag.keyword == "ge_b_value":
        return st.sampled_from([b"1000\\8\\0\\0", b"1000000700\\8\\0\\0", b"0", b"999999999", b"1000000000 "])
    if tag.vr in ("DS", "IS"):
        count = int(tag.form.partition(":")[2] or 1)
        several = st.lists(_NUMBER, min_size=count, max_size=count)
        return st.one_of(several, st.lists(_NUMBER, max_size=4)).map(lambda parts: "\\".join(parts).encode())
    if tag.vr == "UI":
        return st.sampled_from([b"1.2.840.10008.5.1.4.1.1.2", b"1.2.3", b"1.22.33\0", b"", b"1.2 "])
    if tag.vr in ("LO", "SH"):
        return st.one_of(_text(codec), st.binary(max_size=8).filter(lambda raw: b"\x1b" not in raw))
    return st.text("ABCXYZ 0123456789.\\", max_size=16).map(str.encode)


_OTHER_VRS = ("OB", "OW", "UN", "UT", "LO", "CS", "DS", "UL", "FL", "AT")


@st.composite
def fillers(draw: Any, depth: int = 0) -> Element:
    """An element that is not wanted: private or unknown, a sequence with wanted tags inside, bulk."""
    group = draw(st.sampled_from([0x0008, 0x0009, 0x0010, 0x0011, 0x0018, 0x0019, 0x0020, 0x0029, 0x0040, 0x0054]))
    number = group << 16 | draw(st.integers(0x1000, 0x10FF) if group % 2 else st.sampled_from([0x9911, 0x2218, 0x1140]))
    if depth < 3 and draw(st.booleans()):
        inner = st.one_of(fillers(depth=depth + 1), st.sampled_from(PUBLIC).flatmap(decoy))
        items = draw(st.lists(st.lists(inner, max_size=3).map(tuple), max_size=3).map(tuple))
        if dictionary_has_tag(number) and dictionary_VR(number) != "SQ":
            # Undefined length under a tag that is no sequence is not DICOM; pydicom then reads on in the middle of it.
            number = group << 16 | 0x9911
        # pydicom loses its way behind an unknown sequence of undefined length without an item.
        undefined = bool(items) and draw(st.booleans())
        vr = "UN" if undefined and draw(st.integers(0, 4)) == 0 else "SQ"
        return Element(number, vr, items=items, undefined=undefined, undefined_items=draw(st.booleans()))
    return Element(number, draw(st.sampled_from(_OTHER_VRS)), draw(st.binary(max_size=40)))


def decoy(tag: Tag) -> st.SearchStrategy[Element]:
    """A wanted tag where it must not be found: inside a sequence."""
    vr = tag.vr if tag.vr != "SQ" else "OB"
    vr = "US" if vr == EITHER_SIGN else vr
    return st.just(Element(tag.number, vr, b"11" if vr == "US" else b"9" * 8))


def written(tag: Tag, number: int, value: bytes, vr: str) -> Element:
    """A wanted tag at *number* in a file."""
    return Element(number, vr, value, size=BINARY[tag.vr].itemsize if tag.vr in BINARY else 1)


@st.composite
def radiopharmaceuticals(draw: Any, codec: str) -> Element:
    """The sequence whose first item is wanted, with a second item that is not."""
    items = []
    for _ in range(draw(st.integers(0, 2))):
        inner = {tag.number: written(tag, tag.number, draw(value_of(tag, codec)), tag.vr)
                 for tag in draw(st.lists(st.sampled_from(NESTED), unique=True))}  # fmt: skip
        for filler in draw(st.lists(fillers(depth=2), max_size=2)):
            inner.setdefault(filler.number, filler)
        items.append(tuple(inner[number] for number in sorted(inner)))
    return Element(
        NESTED[0].sequence, "SQ", items=tuple(items), undefined=bool(items) and draw(st.booleans()),
        undefined_items=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def private_blocks(draw: Any, explicit: bool) -> list[Element]:
    """Private elements, their creators in any block; some of another creator, or of none."""
    elements = []
    taken: set[tuple[int, int]] = set()
    for creator in draw(st.lists(st.sampled_from(sorted({tag.creator for tag in PRIVATE})), unique=True, max_size=3)):
        tags = [tag for tag in PRIVATE if tag.creator == creator]
        group = tags[0].number >> 16
        block = draw(st.sampled_from([0x10, 0x11, 0x12, 0xFE]))
        if (group, block) in taken:
            continue
        taken.add((group, block))
        name = draw(st.sampled_from([creator, creator, creator, "ACME 1.0", None]))
        if name is not None:
            elements.append(Element(group << 16 | block, "LO", name.encode()))
        for tag in tags:
            vr = "UN" if explicit and draw(st.integers(0, 2)) == 0 else tag.vr
            number = tag.number | block << 8
            elements.append(written(tag, number, draw(value_of(tag, "ascii")), vr))
    return elements


@st.composite
def headers(draw: Any, syntaxes: tuple[str, ...] = (EXPLICIT_LE, IMPLICIT_LE)) -> tuple[bytes, str]:
    """A file of wanted and unwanted elements, and its transfer syntax."""
    syntax = draw(st.sampled_from(syntaxes))
    explicit, charset = syntax != IMPLICIT_LE, draw(st.sampled_from(list(CHARSETS)))
    wanted = draw(st.lists(st.sampled_from(PUBLIC[1:]), unique=True, min_size=1, max_size=14))
    elements = {}
    for tag in wanted:
        if tag.vr == "SQ":
            elements[tag.number] = Element(tag.number, "SQ", items=((),), undefined=draw(st.booleans()))
            continue
        vr = "UN" if explicit and draw(st.integers(0, 9)) == 0 else tag.vr
        if vr == EITHER_SIGN:
            vr = draw(st.sampled_from(["US", "SS"]))
            elements[0x00280103] = Element(0x00280103, "US", draw(st.sampled_from([b"\0\0", b"\1\0"])), size=2)
        elements[tag.number] = written(tag, tag.number, draw(value_of(tag, CHARSETS[charset])), vr)
    if charset is not None:
        elements[TAGS[0].number] = Element(TAGS[0].number, "CS", charset.encode())
    if draw(st.booleans()):
        sequence = draw(radiopharmaceuticals(CHARSETS[charset]))
        elements[sequence.number] = sequence
    for element in draw(private_blocks(explicit)):
        elements[element.number] = element
    for filler in draw(st.lists(fillers(), max_size=5)):
        elements.setdefault(filler.number, filler)
    ordered = [elements[number] for number in sorted(elements)]
    return part10(ordered, syntax, pixels=draw(st.sampled_from([b"\1\2", None]))), syntax


@st.composite
def orientations(draw: Any) -> tuple[float, ...]:
    """Six direction cosines of any turn."""
    angles = draw(st.tuples(*[st.floats(-180, 180, allow_nan=False)] * 3))
    from tests.factories import turned

    return tuple(float(np.round(v, 10)) for v in turned(*angles))


@st.composite
def stacks(draw: Any) -> dict[str, Any]:
    """An even stack anywhere: orientation, origin, step, number, spacing and tilt, all in mm and degrees."""
    return {
        "orientation": draw(orientations()),
        "origin": np.array(draw(st.tuples(*[st.floats(-500, 500)] * 3))),
        "step": draw(st.floats(0.3, 8)),
        "n": draw(st.integers(2, 12)),
        "spacing": draw(st.tuples(st.floats(0.1, 4), st.floats(0.1, 4))),
        "tilt": draw(st.one_of(st.just(0.0), st.floats(1, 30))),
    }


@st.composite
def affines(draw: Any, *, sheared: bool = False) -> np.ndarray:
    """Affine (voxel z, y, x, 1 -> LPS mm) of a grid of any turn, handedness and spacing near the origin."""
    orientation = np.array(draw(orientations())).reshape(2, 3)
    orientation /= np.linalg.norm(orientation, axis=1, keepdims=True)
    normal = np.cross(*orientation) * draw(st.sampled_from([1, -1]))
    dz, dy, dx = draw(st.tuples(*[st.floats(0.5, 4)] * 3))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = normal * dz, orientation[1] * dy, orientation[0] * dx
    affine[:3, 3] = draw(st.tuples(*[st.floats(-50, 50)] * 3))
    if sheared:
        affine[:3, 0] += np.tan(np.radians(draw(st.floats(2, 30)))) * dz * orientation[1]
    return affine


#: Values of functional groups by VR, as they are written; what is odd for its VR comes second.
_GROUP_VALUES: dict[str, tuple[tuple[bytes, ...], tuple[bytes, ...]]] = {
    "DS": ((b"1.5", b" -2.25", b"1e3 ", b"+.5"), (b"", b"inf", b"nan", b"one", b"1_0", b"1e999", b" ", b"1\\2")),
    "IS": ((b"5", b"-07", b"12"), (b"", b"2.0", b"2.5", b"a", b"1\\2", b"99999999999")),
    "FD": ((pack("<d", 1.5), pack("<2d", 2, 3)), (b"", pack("<d", np.nan), pack("<d", np.inf), b"12345")),
    "FL": ((pack("<f", 0.1),), (b"",)),
    "US": ((pack("<H", 7), pack("<2H", 7, 9)), (b"", b"1")),
    "UL": ((pack("<I", 70_000),), (b"",)),
    "CS": ((b"ORIGINAL\\PRIMARY", b"M_1 ", b"MIXED"), (b"", b"a", b"A\\ B\\", b" ", b"\xe9")),
    "LO": ((b"HU", b"US "), (b"", b"\xe9", b"A\\B ", b"\x1b$B")),
    "SH": ((b"1", b"in plane"), (b"", b"\xe9")),
    "DT": ((b"20200102030405.5", b"20200102030405+0100 "), (b"", b"2020", b"noon", b"2020\\2021")),
    "DA": ((b"20200102",), (b"", b"x")),
    "TM": ((b"030405", b"030405.12 "), (b"", b"noon")),
}  # fmt: skip


@st.composite
def _group_value(draw: st.DrawFn, vr: str, form: str, odd: bool) -> bytes:
    plain, strange = _GROUP_VALUES[vr]
    if odd and draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(strange))
    if not form.startswith("numbers:"):
        return draw(st.sampled_from(plain))
    n = int(form.partition(":")[2])
    numbers = draw(st.lists(st.integers(-300, 300), min_size=n, max_size=n))
    return pack(f"<{n}d", *numbers) if vr == "FD" else "\\".join(str(number / 4) for number in numbers).encode()


@st.composite
def _real_world_maps(draw: st.DrawFn) -> tuple[tuple[Element, ...], ...]:
    """Maps of a real-world value mapping sequence; limits are US or SS by the sign of the pixels."""
    units = (Element(0x00080100, "SH", b"HU"),)
    limits = draw(st.sampled_from((b"\0\0", b"\xff\x0f", b"\x18\xfc")))
    line = (Element(0x00409224, "FD", pack("<d", -5)), Element(0x00409225, "FD", pack("<d", draw(st.integers(1, 3)))))
    vr = draw(st.sampled_from(("US", "SS")))
    return ((Element(0x00283003, "LO", b"maps"), Element(0x004008EA, "SQ", items=(units,)),
             Element(0x00409211, vr, b"\xff\x0f"), Element(0x00409216, vr, limits), *line),)  # fmt: skip


@st.composite
def group_item(draw: st.DrawFn, *, odd: bool) -> tuple[Element, ...]:
    """Elements of one item of functional groups: some of what is read, some of what is not."""
    from workbench.dicom.headers.groups_macros import LEAVES, number_of, vr_of

    tree: dict[int, Any] = {}
    for leaf in draw(st.lists(st.sampled_from(LEAVES), max_size=8)):
        branch = tree
        for keyword in leaf.path:
            branch = branch.setdefault(number_of(keyword), {})
        vr = vr_of(leaf.attribute).decode()
        if leaf.form == "maps":
            branch[number_of(leaf.attribute)] = Element(
                number_of(leaf.attribute), "SQ", items=draw(_real_world_maps()), undefined=draw(st.booleans())
            )
            continue
        value = draw(_group_value(vr, leaf.form, odd))
        shown = draw(st.sampled_from(("UN", "LO"))) if odd and draw(st.integers(0, 19)) == 0 else vr
        branch[number_of(leaf.attribute)] = Element(number_of(leaf.attribute), shown, value)
    other = Element(0x00081140, "SQ", items=((Element(0x00081155, "UI", draw(st.sampled_from((b"1.2", b"1.2.3")))),),),
                    undefined=draw(st.booleans()), undefined_items=draw(st.booleans()))  # fmt: skip
    private = (Element(0x20050010, "LO", b"ACME"),
               Element(0x20051001, "SQ", items=((Element(0x20050010, "LO", b"ACME"),),), undefined=draw(st.booleans())),
               Element(0x20051002, "UN", draw(st.sampled_from((b"", b"12", b"1234")))))  # fmt: skip
    extra = draw(st.lists(st.sampled_from((other, *private)), max_size=2, unique_by=lambda e: e.number))
    if odd and draw(st.integers(0, 19)) == 0:
        extra.append(Element(0x00080005, "CS", b"ISO_IR 192"))
    return _grown(tree, extra, draw)


def _grown(tree: dict[int, Any], extra: list[Element], draw: st.DrawFn) -> tuple[Element, ...]:
    elements = {element.number: element for element in extra}
    for number, branch in tree.items():
        if isinstance(branch, Element):
            elements[number] = branch
            continue
        items = (_grown(branch, [], draw),) * draw(st.sampled_from((1, 1, 1, 2)))
        elements[number] = Element(
            number, "SQ", items=items, undefined=draw(st.booleans()), undefined_items=draw(st.booleans())
        )
    return tuple(elements[number] for number in sorted(elements))


@st.composite
def functional_groups(draw: st.DrawFn) -> bytes:
    """A file of up to eight frames with functional groups, of which some frames are laid out alike, some not."""
    odd = draw(st.booleans())
    different = draw(st.lists(group_item(odd=odd), min_size=1, max_size=3))
    order = draw(st.lists(st.integers(0, len(different) - 1), max_size=8))
    frames = tuple(different[number] for number in order)
    shared = (draw(group_item(odd=odd)),) * draw(st.sampled_from((0, 1, 1, 2)))
    n = len(frames) + (draw(st.sampled_from((-1, 1))) if odd and draw(st.integers(0, 9)) == 0 else 0)
    classes = (b"1.2.840.10008.5.1.4.1.1.2.1", b"1.2.840.10008.5.1.4.1.1.7.3")
    head = [
        Element(0x00080005, "CS", draw(st.sampled_from((b"ISO_IR 100", b"ISO_IR 192")))),
        Element(0x00080016, "UI", draw(st.sampled_from(classes))),
        Element(0x00081140, "SQ", items=((),), undefined=draw(st.booleans())),
        Element(0x00280008, "IS", str(n).encode()),
        Element(0x00280103, "US", pack("<H", draw(st.integers(0, 1)))),
    ]  # fmt: skip
    if shared or draw(st.booleans()):
        head.append(Element(0x52009229, "SQ", items=shared, undefined=draw(st.booleans()),
                            undefined_items=draw(st.booleans())))  # fmt: skip
    head.append(Element(0x52009230, "SQ", items=frames, undefined=draw(st.booleans()),
                        undefined_items=draw(st.booleans())))  # fmt: skip
    return part10(head, draw(st.sampled_from((EXPLICIT_LE, IMPLICIT_LE))))


@st.composite
def hollow_masks(draw: st.DrawFn, shape: tuple[int, int, int]) -> np.ndarray:
    """Mask (z, y, x) of boxes with boxes taken out of them: several parts, holes, holes in holes, empty slices."""
    mask = np.zeros(shape, dtype=bool)
    for filled in draw(st.lists(st.booleans(), min_size=1, max_size=6)):
        ends = [sorted(draw(st.tuples(*[st.integers(0, size)] * 2))) for size in shape]
        mask[tuple(slice(*pair) for pair in ends)] = filled
    return mask
