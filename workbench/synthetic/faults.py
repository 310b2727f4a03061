"""Faults that can be planted: each changes the plan, before anything is written, and says what it changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from workbench.errors import UsageError
from workbench.synthetic.plan import FederationPlan, NodePlan, PatientPlan, SeriesPlan, State, centred, uid

Change = Callable[[NodePlan, int], tuple[NodePlan, "Planted"]]

#: mm along y per mm along z of a gantry tilted by 15 degrees, rounded as positions in files are.
_TILT_SLOPE: Final = 0.2679


@dataclass(frozen=True)
class Planted:
    """Where a fault was planted."""

    #: Patient concerned; empty where all of the node are.
    patient_id: str
    #: SeriesInstanceUID concerned; empty where none is.
    series_uid: str
    #: What was done, one line.
    detail: str


@dataclass(frozen=True)
class Fault:
    """One fault of the table."""

    #: One line: what is wrong in the files.
    description: str
    #: The node it is planted at.
    node: str
    #: Finding codes that it should give.
    codes: tuple[str, ...]
    #: Planted when nothing else is asked for.
    default: bool
    #: What it does to the node's plan.
    change: Change


def _with_series(node: NodePlan, patient_index: int, pick: Callable[[SeriesPlan], bool], **changes: Any) -> NodePlan:
    """The node with the first matching series of a patient's first study changed."""
    patient = node.patients[patient_index]
    study = patient.studies[0]
    target = next(s for s in study.series if pick(s))
    series = tuple(replace(s, **changes) if s is target else s for s in study.series)
    return _with_first_study(node, patient_index, series)


def _with_first_study(node: NodePlan, patient_index: int, series: tuple[SeriesPlan, ...]) -> NodePlan:
    patient = node.patients[patient_index]
    study = replace(patient.studies[0], series=series)
    changed = replace(patient, studies=(study, *patient.studies[1:]))
    people = list(node.patients)
    people[patient_index] = changed
    return replace(node, patients=tuple(people))


def _find(node: NodePlan, patient_index: int, modality: str) -> tuple[PatientPlan, SeriesPlan]:
    patient = node.patients[patient_index]
    return patient, next(s for s in patient.studies[0].series if s.protocol.modality == modality)


def _is_ct(series: SeriesPlan) -> bool:
    return series.protocol.modality == "CT"


def _is_mr(series: SeriesPlan) -> bool:
    return series.protocol.modality == "MR"


def _missing_slice(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    patient, series = _find(node, 0, "CT")
    # Next to the last slice: inside the stack, above every tumour.
    lost = series.placement.shape[0] - 2
    detail = f"slice {lost} of {series.placement.shape[0]} (from 0, ascending) is absent"
    return _with_series(node, 0, _is_ct, dropped=(lost,)), Planted(patient.patient_id, series.uid, detail)


def _gantry_tilt(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    patient, series = _find(node, 0, "CT")
    old = series.placement
    n, rows, columns = old.shape
    middle = old.point((n - 1) / 2, (rows - 1) / 2, (columns - 1) / 2)
    tilted = replace(old, step=(0.0, round(_TILT_SLOPE * old.step[2], 4), old.step[2]))
    detail = "slices are sheared by 15 degrees along y"
    return (
        _with_series(node, 0, _is_ct, placement=centred(tilted, middle)),
        Planted(patient.patient_id, series.uid, detail),
    )


def _localizer_in_series(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    patient, series = _find(node, 0, "CT")
    detail = "one coronal localiser stands among the axial slices"
    return _with_series(node, 0, _is_ct, localizer=True), Planted(patient.patient_id, series.uid, detail)


def _unit_mixup(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    return replace(node, age_unit="months"), Planted("", "", "age at diagnosis is in months for every patient")


def _extra_series(
    node: NodePlan, seed: int, patient_index: int, state: State, role: str
) -> tuple[NodePlan, PatientPlan, SeriesPlan]:
    patient = node.patients[patient_index]
    study = patient.studies[0]
    first = study.series[0]
    placement = replace(first.placement, shape=(6, *first.placement.shape[1:]))
    extra = replace(
        first,
        uid=uid(seed, node.name, role),
        number=study.series[-1].number + 10,
        placement=placement,
        label_uid="",
        state=state,
        dropped=(),
        compressed=False,
    )
    return _with_first_study(node, patient_index, (*study.series, extra)), patient, extra


def _unreleased_series(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    node, patient, extra = _extra_series(node, seed, len(node.patients) - 1, "unreleased", "unreleased")
    return node, Planted(patient.patient_id, extra.uid, "series is in the data lake but not in index.json")


def _missing_folder(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    node, patient, extra = _extra_series(node, seed, 0, "absent", "absent")
    return node, Planted(patient.patient_id, extra.uid, "series is in index.json but not in the data lake")


def _truncated_file(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    patient, series = _find(node, 0, "MR")
    detail = "file of slice 2 (from 0, ascending) ends in the middle of its pixels"
    return _with_series(node, 0, _is_mr, truncated=(2,)), Planted(patient.patient_id, series.uid, detail)


def _duplicate_instance(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    patient, series = _find(node, 0, "MR")
    detail = "file of slice 5 (from 0, ascending) is there twice"
    return _with_series(node, 0, _is_mr, duplicated=(5,)), Planted(patient.patient_id, series.uid, detail)


def _text_renamed(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    patient, series = _find(node, 0, "CT")
    detail = "a text file named .dcm stands among the slices"
    return _with_series(node, 0, _is_ct, stray_text=True), Planted(patient.patient_id, series.uid, detail)


def _duplicate_row(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    patient = node.patients[0]
    detail = "two clinical rows that differ in survival, and no timepoint"
    return replace(node, repeated_rows=(patient.patient_id,)), Planted(patient.patient_id, "", detail)


def _outside_link(node: NodePlan, seed: int) -> tuple[NodePlan, Planted]:
    return replace(node, outside_link=True), Planted("", "", "a folder of the extract is a link into another data lake")


#: Every fault by name, in the order of planting.
FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "missing-slice": Fault("one slice of a CT is absent", "aurora", ("slices-missing",), True, _missing_slice),
        "gantry-tilt": Fault("a CT is sheared by 15 degrees", "boreal", ("gantry-tilt",), True, _gantry_tilt),
        "localizer-in-series": Fault(
            "a localiser stands inside a CT series", "cedro", ("several-parts",), True, _localizer_in_series
        ),
        "unit-mixup": Fault(
            "age at diagnosis is in months at one node", "cedro", ("unit-suspected",), True, _unit_mixup
        ),
        "unreleased-series": Fault(
            "a series that was not handed over is visible", "aurora", ("unreleased-series-visible",), True,
            _unreleased_series,
        ),
        "truncated-file": Fault(
            "a file is cut off", "cedro", ("file-truncated", "slices-missing"), False, _truncated_file
        ),
        "text-renamed-dcm": Fault(
            "a text file is named like DICOM", "boreal", ("file-not-dicom",), False, _text_renamed
        ),
        "duplicate-instance": Fault(
            "the same instance is stored twice", "cedro", ("duplicate-instance",), False, _duplicate_instance
        ),
        "missing-folder": Fault(
            "a listed series is not on the disk", "aurora", ("series-folder-missing",), False, _missing_folder
        ),
        "duplicate-clinical-row": Fault(
            "a patient has two clinical rows", "cedro", ("rows-per-patient-unclear",), False, _duplicate_row
        ),
        "outside-link": Fault("a link leads out of the extract", "cedro", ("link-outside",), False, _outside_link),
    }
)  # fmt: skip

#: What is planted when nothing else is asked for.
DEFAULT_FAULTS: Final = tuple(name for name, fault in FAULTS.items() if fault.default)


def chosen(faults: Iterable[str] | str) -> tuple[str, ...]:
    """Names of the faults asked for, each once, in the order of the table.

    Parameters
    ----------
    faults : iterable of str, or str
        Names, or ``"all"``, ``"none"``, or one string with names separated by commas.

    Returns
    -------
    tuple of str

    Raises
    ------
    UsageError
        For a name that is not in the table.

    Examples
    --------
    >>> chosen("unit-mixup, missing-slice")
    ('missing-slice', 'unit-mixup')
    """
    if isinstance(faults, str):
        if faults in ("all", "none"):
            return tuple(FAULTS) if faults == "all" else ()
        faults = [name.strip() for name in faults.split(",") if name.strip()]
    asked = set(faults)
    unknown = sorted(asked - set(FAULTS))
    if unknown:
        raise UsageError(
            f"unknown fault: {', '.join(unknown)}", remedy=f"known faults: {', '.join(FAULTS)}, or all, or none"
        )
    return tuple(name for name in FAULTS if name in asked)


def plant(plan: FederationPlan, names: Iterable[str]) -> tuple[FederationPlan, dict[str, Planted]]:
    """The plan with the named faults in it, and where each was planted."""
    nodes = {node.name: node for node in plan.nodes}
    planted: dict[str, Planted] = {}
    for name in names:
        fault = FAULTS[name]
        nodes[fault.node], planted[name] = fault.change(nodes[fault.node], plan.seed)
    return replace(plan, nodes=tuple(nodes.values())), planted
