"""Small series that are irregular in one way each, and what is true of them.

Six slices of 8x8 voxels, 2 mm apart, 0.5 mm rows and 0.8 mm columns, unless the case says otherwise. Every slice holds
numbers of its own, so that each image a reader returns can be recognised. The same bytes on every run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
)

from benchmarks.irregular_files import (
    AXIAL,
    CORONAL,
    EVEN,
    SAGITTAL,
    SPACING,
    Frame,
    dose,
    header,
    mosaic,
    multi_frame,
    palette,
    picture,
    place,
    radiograph,
    save,
    ultrasound,
)


@dataclass(frozen=True)
class Case:
    """One irregular input."""

    #: Short name, for ``--only`` and tests.
    name: str
    #: The input in words.
    title: str
    #: What is true of it, in words.
    truth: str
    #: Write it into an empty folder; returns the true images.
    write: Callable[[Path], list[Frame]]
    #: Finding codes of which one must come with it where our result is not the whole truth.
    codes: tuple[str, ...] = ()


def slices(
    folder: Path,
    depths: Iterable[float] = EVEN,
    *,
    modality: str = "CT",
    orientation: Sequence[float] = AXIAL,
    spacing: Sequence[float] = SPACING,
    lean: float = 0.0,
    shifts: dict[int, float] | None = None,
    first: int = 1,
    names: Sequence[int] | None = None,
    numbers: Sequence[int] | None = None,
    stored: Sequence[NDArray[Any]] | None = None,
    slopes: Sequence[float] | None = None,
    keys: dict[str, Sequence[float]] | None = None,
    tags: dict[str, Any] | None = None,
    per_slice: dict[str, Sequence[Any]] | None = None,
    extend: Callable[[Dataset, int], None] | None = None,
    syntax: str = ExplicitVRLittleEndian,
    preamble: bool = True,
) -> list[Frame]:
    """Write one file per depth; slice *i* holds ``picture(first + i)``. Returns what is true of each.

    *shifts* says how many mm along a row some slices are from their places.
    """
    frames = []
    for i, depth in enumerate(depths):
        pixels = picture(first + i) if stored is None else stored[i]
        position = place(depth, orientation, lean)
        if shifts and i in shifts:
            position = tuple(np.add(position, np.multiply(orientation[:3], shifts[i])).tolist())
        own = {name: values[i] for name, values in (per_slice or {}).items()}
        if slopes is not None:
            own |= {"RescaleSlope": slopes[i], "RescaleIntercept": 0}
        if numbers is not None:
            own["InstanceNumber"] = numbers[i]
        given = {
            "ImagePositionPatient": list(position), "ImageOrientationPatient": list(orientation),
            "PixelSpacing": list(spacing),
        }  # fmt: skip
        dataset = header(modality, first + i, **(given | (tags or {}) | own))
        if extend is not None:
            extend(dataset, i)
        name = first + i if names is None else names[i]
        save(folder / f"IM{name:04d}.dcm", dataset, pixels, syntax, preamble=preamble)
        values = pixels.astype(float) * (slopes[i] if slopes is not None else 1)
        kept = {key: float(levels[i]) for key, levels in (keys or {}).items()}
        frames.append(Frame(values, position, tuple(orientation), tuple(spacing), kept))
    return frames


def copy(folder: Path, name: str, **changes: Any) -> None:
    """A second file made of the one called *name*, with some tags changed."""
    import pydicom

    dataset = pydicom.dcmread(folder / name)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(folder / f"copy-{name}")


def same_place(folder: Path) -> list[Frame]:
    frames = slices(folder)
    # Its own UID and its own picture, at the place of slice 3, under the same instance number.
    extra = slices(folder, [EVEN[2]], first=7, numbers=[3])
    return frames + extra


def same_file_twice(folder: Path) -> list[Frame]:
    frames = slices(folder)
    (folder / "copy.dcm").write_bytes((folder / "IM0003.dcm").read_bytes())
    return frames


def one_uid_two_pictures(folder: Path) -> list[Frame]:
    frames = slices(folder)
    other = picture(50)
    copy(folder, "IM0003.dcm", PixelData=other.tobytes())
    third = frames[2]
    return [*frames, Frame(other.astype(float), third.position, third.orientation, third.spacing)]


def two_levels(keyword: str, key: str, levels: tuple[float, float], **options: Any) -> Callable[[Path], list[Frame]]:
    """Two images at each place, told apart by one tag; ``keyword`` may be empty."""

    def write(folder: Path) -> list[Frame]:
        values = [level for _ in EVEN for level in levels]
        depths = [depth for depth in EVEN for _ in levels]
        per_slice = {keyword: values} if keyword else {}
        return slices(
            folder, depths, modality="MR", keys={key: values} if key else None, per_slice=per_slice, **options
        )

    return write


def philips_b_value(dataset: Dataset, i: int) -> None:
    dataset.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x03, "FL", (0.0, 800.0)[i % 2])
    dataset.Manufacturer = "Philips Medical Systems"


def ragged(folder: Path) -> list[Frame]:
    frames = two_levels("TemporalPositionIdentifier", "time", (1, 2))(folder)
    (folder / "IM0012.dcm").unlink()
    return frames[:-1]


def two_keys(folder: Path) -> list[Frame]:
    depths = [depth for depth in EVEN for _ in range(4)]
    echoes, times = [10.0, 10.0, 30.0, 30.0] * 6, [1, 2] * 12
    return slices(folder, depths, modality="MR", keys={"echo_time": echoes, "time": times},
                  per_slice={"EchoTime": echoes, "TemporalPositionIdentifier": times})  # fmt: skip


def with_localiser(folder: Path) -> list[Frame]:
    image_type = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    return slices(folder) + slices(folder, [0.0], first=7, orientation=CORONAL, tags=image_type)


def two_matrices(folder: Path) -> list[Frame]:
    large = [picture(10 * (k + 2), 16) for k in range(6)]
    return slices(folder) + slices(folder, first=7, spacing=(0.25, 0.4), stored=large)


def two_orientations(folder: Path) -> list[Frame]:
    return slices(folder) + slices(folder, first=7, orientation=SAGITTAL)


def cut_off(number: int) -> Callable[[Path], list[Frame]]:
    """One file of the series ends in the middle of its pixels."""

    def write(folder: Path) -> list[Frame]:
        frames = slices(folder)
        path = folder / f"IM{number:04d}.dcm"
        path.write_bytes(path.read_bytes()[:-64])
        return frames

    return write


def jitter(mm: float) -> tuple[float, ...]:
    """Depths of the even series; places differ from even ones by *mm* from the largest to the smallest error."""
    return tuple(depth + mm * off for depth, off in zip(EVEN, (0, 0.5, -0.5, 0.25, -0.25, 0), strict=True))


_SHUFFLED = random.Random(20).sample(range(6), 6)

CASES: Final = (
    Case("gap", "slice 4 of 6 missing", "5 images at 0, 2, 4, 8, 10 mm",
         lambda f: slices(f, (0, 2, 4, 8, 10)), ("slices-missing",)),
    Case("same-place", "7th image at the place of slice 3, own UID", "7 images; no tag tells two of them apart",
         same_place, ("same-position",)),
    Case("copy", "one file stored twice, same bytes", "6 images", same_file_twice, ("duplicate-instance",)),
    Case("one-uid-two-pictures", "one UID on two different files", "7 pictures, 6 UIDs: one is false",
         one_uid_two_pictures, ("conflicting-instance",)),
    Case("tilt", "gantry tilt of 15 degrees", "6 slices, each 0.536 mm further along a column",
         lambda f: slices(f, lean=float(np.tan(np.radians(15)))), ("gantry-tilt",)),
    Case("jitter-0.1", "0.1 mm jitter, peak to peak", "steps of 1.9 to 2.08 mm", lambda f: slices(f, jitter(0.1)),
         ("spacing-uneven",)),
    Case("jitter-0.01", "0.01 mm jitter, peak to peak", "even within 1 % of a step", lambda f: slices(f, jitter(0.01))),
    Case("variable", "slices of 2 and of 4 mm", "7 slices at 0, 2, 4, 8, 12, 16, 20 mm, each as thick as its step",
         lambda f: slices(f, (0, 2, 4, 8, 12, 16, 20), per_slice={"SliceThickness": [2, 2, 4, 4, 4, 4, 4]}),
         ("spacing-uneven",)),
    Case("displaced", "slice 3 of 6 is 5 mm off in its plane", "6 slices, even along the normal",
         lambda f: slices(f, shifts={2: 5.0}), ("slices-displaced",)),
    Case("b-values", "two b-values", "b 0 and 800, 6 slices each",
         two_levels("DiffusionBValue", "b_value", (0, 800)), ("ragged-stack",)),
    Case("echoes", "two echoes", "10 and 30 ms, 6 slices each", two_levels("EchoTime", "echo_time", (10, 30))),
    Case("echoes-times", "two echoes at two times", "4 images at each of 6 places", two_keys, ("same-position",)),
    Case("ragged", "two times, one image missing", "6 and 5 slices", ragged, ("ragged-stack",)),
    Case("slopes", "slopes 1, 1.5, 2 ... on stored 3", "3, 4.5, 6, 7.5, 9, 10.5",
         lambda f: slices(f, slopes=[1 + 0.5 * k for k in range(6)], stored=[np.full((8, 8), 3, np.int16)] * 6)),
    Case("localiser", "coronal localiser inside the series", "6 axial slices, 1 coronal image", with_localiser,
         ("several-parts",)),
    Case("matrices", "8x8 and 16x16 in one series", "two stacks of 6", two_matrices, ("several-parts",)),
    Case("orientations", "axial and sagittal in one series", "two stacks of 6", two_orientations, ("several-parts",)),
    Case("reversed", "files in reversed order", "even", lambda f: slices(f, names=range(6, 0, -1))),
    Case("shuffled", "file names in no useful order", "even", lambda f: slices(f, names=_SHUFFLED)),
    Case("numbers", "InstanceNumber contradicts position", "even; place follows position",
         lambda f: slices(f, numbers=[4, 1, 6, 2, 5, 3])),
    Case("enhanced", "enhanced CT, rescale per frame", "slopes 1, 1.5, 2 ..., intercept -5",
         lambda f: multi_frame(f, slopes=[1 + 0.5 * k for k in range(6)])),
    Case("enhanced-gap", "enhanced CT, one slice missing", "5 frames at 0, 2, 4, 8, 10 mm",
         lambda f: multi_frame(f, (0, 2, 4, 8, 10)), ("slices-missing",)),
    Case("enhanced-order", "enhanced CT, frames in odd order", "even; frame 1 is the third slice",
         lambda f: multi_frame(f, (4, 0, 10, 2, 8, 6))),
    Case("enhanced-unplaced", "enhanced CT without plane position", "6 frames, no place",
         lambda f: multi_frame(f, placed=False), ("unplaced", "multi-frame-unplaced")),
    Case("pet", "PET, slope per slice", "slopes 0.5, 0.75, 1 ... Bq/mL",
         lambda f: slices(f, modality="PT", slopes=[0.5 + 0.25 * k for k in range(6)], tags={"Units": "BQML"})),
    Case("dose", "RTDOSE, scaling 0.001", "0.1 to 0.66 Gy, planes by offset vector", dose),
    Case("radiograph", "CR without position", "one picture, 0.2 mm at the detector", radiograph),
    Case("ultrasound", "colour US", "one RGB picture, no lengths", ultrasound),
    Case("palette", "US with a colour palette", "one picture in colour, no lengths", palette, ("palette-unusable",)),
    Case("thickness", "SliceThickness 5 on 2 mm steps", "2 mm",
         lambda f: slices(f, tags={"SliceThickness": 5})),
    Case("spacing-tag", "SpacingBetweenSlices 3 on 2 mm steps", "2 mm",
         lambda f: slices(f, modality="MR", tags={"SpacingBetweenSlices": 3})),
    Case("monochrome1", "MONOCHROME1", "values as stored; only the display is inverted",
         lambda f: slices(f, modality="MR", tags={"PhotometricInterpretation": "MONOCHROME1"})),
    Case("implicit", "implicit VR", "even", lambda f: slices(f, syntax=ImplicitVRLittleEndian)),
    Case("big-endian", "big endian", "even", lambda f: slices(f, syntax=ExplicitVRBigEndian)),
    Case("deflated", "deflated", "even", lambda f: slices(f, syntax=DeflatedExplicitVRLittleEndian)),
    Case("no-preamble", "no preamble, no meta header", "even", lambda f: slices(f, preamble=False)),
    Case("cut-middle", "file of slice 4 cut off", "6 images, one unreadable", cut_off(4), ("slices-missing",)),
    Case("cut-last", "file of the last slice cut off", "6 images, one unreadable", cut_off(6), ("file-truncated",)),
    Case("jpeg-ls", "JPEG-LS, signed", "-400 to 163, even",
         lambda f: slices(f, syntax=JPEGLSLossless, stored=[picture(k - 4) for k in range(6)])),
    Case("mosaic", "Siemens mosaic", "6 slices of 8x8 in one picture", mosaic(), ("mosaic",)),
    Case("mosaic-down", "Siemens mosaic, slices descending", "6 slices, the first on top", mosaic(up=False),
         ("mosaic",)),
    Case("mosaic-no-csa", "the same, CSA header removed", "6 slices, the first on top; no tag says so",
         mosaic(csa=False, up=False), ("mosaic", "mosaic-order-assumed")),
    Case("mosaic-stripped", "Siemens mosaic, all private tags removed", "6 slices of 8x8; their number unknown",
         mosaic(count=False, csa=False), ("mosaic",)),
    Case("philips-b", "b-value in a private Philips tag", "b 0 and 800, 6 slices each",
         two_levels("", "b_value", (0, 800), extend=philips_b_value), ("time-order-from-instance-number",)),
    Case("b-stripped", "two b-values, their tags removed", "2 images at each place, b unknown",
         two_levels("", "", (0, 800), tags={"ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]}),
         ("b-value-unknown",)),
)  # fmt: skip
