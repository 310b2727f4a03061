"""Patients drawn at random, seeded: the plan of a federation without faults.

Every draw comes from numpy's PCG64, seeded by (seed, node, patient): a patient is the same whatever the number
of patients, but for the gaps, which are shared out over all patients of a node.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from workbench.synthetic.plan import (
    FederationPlan,
    Lesion,
    NodePlan,
    PatientPlan,
    Placement,
    SeriesPlan,
    StudyPlan,
    Vector,
    centred,
    digest,
    generator,
    uid,
)
from workbench.synthetic.styles import NODES, OBLIQUE_COLUMN, PROTOCOLS, NodeStyle, Protocol

#: Share of a variable's values that a node does not give.
GAP_SHARE: Final = 0.12


def make_plan(*, patients: int, seed: int) -> FederationPlan:
    """Plan of a federation without faults.

    Parameters
    ----------
    patients : int
        Patients over all nodes, shared out evenly; the first nodes take what is left over.
    seed : int
        Seed of all draws.

    Returns
    -------
    FederationPlan

    Examples
    --------
    >>> [len(node.patients) for node in make_plan(patients=8, seed=0).nodes]
    [3, 3, 2]
    """
    share, rest = divmod(patients, len(NODES))
    nodes = []
    for number, (name, style) in enumerate(NODES.items()):
        n = share + (number < rest)
        members = [_patient(seed, number, name, style, index) for index in range(n)]
        gaps = _gaps(seed, number, n, members)
        people = tuple(replace(p, gaps=frozenset(gaps[i])) for i, p in enumerate(members))
        nodes.append(NodePlan(name, style, people))
    return FederationPlan(seed, tuple(nodes))


def _gaps(seed: int, node: int, n: int, members: list[PatientPlan]) -> list[set[str]]:
    gaps: list[set[str]] = [set() for _ in range(n)]
    rng = generator(seed, node, n, 2)
    for variable in ("sex", "age_at_diagnosis", "stage", "t_category", "n_category", "psa", "ki67_percent",
                     "vital_status", "survival_months"):  # fmt: skip
        applies = [i for i in range(n) if members[i].clinical[variable] is not None]
        order = rng.permutation(n)
        for i in [i for i in order if i in applies][: int(GAP_SHARE * len(applies) + 0.5)]:
            gaps[i].add(variable)
    return gaps


def _patient(seed: int, node: int, name: str, style: NodeStyle, index: int) -> PatientPlan:
    rng = generator(seed, node, index, 1)

    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    cancer, protocols, labelled = style.cases[index % len(style.cases)]
    male_sex = {"prostate": True, "breast": False}.get(cancer, draw(0, 9) < 6)
    age_months = draw(44, 84) * 12 + draw(0, 11)
    first_day = date(2018, 1, 8) + timedelta(days=draw(0, 1700))
    centre = (style.isocentre[0] + draw(-9, 9), style.isocentre[1] + draw(-9, 9), style.isocentre[2] + draw(-60, 60))
    lesion = _lesion(rng, cancer, core=name == "boreal" and index % 2 == 0)
    pseudonym = digest(seed, name, index)
    patient_id = f"{style.prefix}-{pseudonym[:8].upper()}" if style.prefix else pseudonym
    if style.layout == "plain":
        patient_id = f"{style.prefix}{pseudonym[:6].upper()}"
    timepoints = 2 if index % 4 == 2 else 1
    build, hour = draw(94, 104), draw(8, 16)
    studies = []
    for timepoint in range(1, timepoints + 1):
        day = first_day + timedelta(days=(timepoint - 1) * draw(150, 210))
        key: tuple[Any, ...] = (name, index, timepoint)
        series = tuple(
            SeriesPlan(
                uid=uid(seed, *key, "series", number),
                # PET and CT of one machine share a frame of reference; MR and CT do not.
                frame_uid=uid(seed, *key, "frame", "MR" if PROTOCOLS[kind].modality == "MR" else "CT"),
                number=number,
                protocol=PROTOCOLS[kind],
                placement=_placement(PROTOCOLS[kind], centre),
                label_uid=uid(seed, *key, "label") if labelled and number == 2 else "",
                compressed=name == "aurora" and index == 1 and kind == "mr-pelvis",
            )
            for number, kind in enumerate(protocols, start=2)
        )
        studies.append(
            StudyPlan(
                uid=uid(seed, *key, "study"),
                timepoint=timepoint,
                date=day.strftime("%Y%m%d"),
                time=f"{hour:02d}{draw(0, 59):02d}00",
                name=style.study_names[series[0].protocol.region],
                lesion=lesion if timepoint == 1 else lesion.scaled(75),
                series=series,
            )
        )
    clinical = _clinical(rng, cancer, sex="M" if male_sex else "F", age_months=age_months, baseline=first_day)
    return PatientPlan(
        patient_id, index, "M" if male_sex else "F", age_months, cancer, clinical, frozenset(),
        build, draw(52, 98), centre, tuple(studies),
    )  # fmt: skip


def _placement(protocol: Protocol, centre: tuple[int, int, int]) -> Placement:
    row: Vector = (1.0, 0.0, 0.0)
    column: Vector = OBLIQUE_COLUMN if protocol.oblique else (0.0, 1.0, 0.0)
    step: Vector = (0.0, 0.0, protocol.step)
    if protocol.oblique:
        step = (0.0, -column[2] * protocol.step, column[1] * protocol.step)
    # Women's breasts reach further forward than the back reaches backward: the field of view moves with them.
    ahead = -12.0 if protocol.region == "thorax" else 0.0
    middle = (float(centre[0]), centre[1] + ahead, float(centre[2]))
    spacing = (protocol.pixel, protocol.pixel)
    return centred(Placement((0.0, 0.0, 0.0), row, column, step, spacing, protocol.shape), middle)


def _lesion(rng: np.random.Generator, cancer: str, *, core: bool) -> Lesion:
    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    side = 1 if draw(0, 1) else -1
    if cancer == "lung":
        centre, low, high = (side * draw(64, 76), draw(-24, 20), draw(-6, 6)), 13, 18
    elif cancer == "breast":
        centre, low, high = (side * draw(68, 84), draw(-104, -98), draw(-6, 6)), 9, 13
    else:
        centre, low, high = (side * draw(7, 12), draw(2, 9), draw(-4, 4)), 8, 10
    if core:
        low = high
    a, b, c = draw(low, high), draw(low, high), draw(low, high)
    lobes = tuple(
        (
            centre[0] + draw(-a, a) // 2,
            centre[1] + draw(-b, b) // 2,
            centre[2] + draw(-c, c) // 2,
            min(a, b, c) * 3 // 4,
        )
        for _ in range(2)
    )
    return Lesion(centre, (a, b, c), lobes, core=min(a, b, c) // 2 if core else 0)


#: Stage group by T and N, a simplification of the TNM tables that keeps their order.
_STAGES: Final = {("T1", "N0"): "I", ("T1", "N1"): "II", ("T2", "N0"): "II", ("T2", "N1"): "III", ("T3", "N0"): "III",
                  ("T3", "N1"): "III", ("T4", "N0"): "III", ("T4", "N1"): "IV"}  # fmt: skip


def _clinical(
    rng: np.random.Generator, cancer: str, *, sex: str, age_months: int, baseline: date
) -> dict[str, str | int | float | None]:
    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    t, n = f"T{(1, 2, 2, 3, 3, 4)[draw(0, 5)]}", f"N{(0, 0, 1)[draw(0, 2)]}"
    stage = _STAGES[t, n]
    severity = ("I", "II", "III", "IV").index(stage)
    months_tenths = draw(60, 600 - 120 * severity)
    psa, ki67 = draw(30, 120) * (1 + severity), draw(5, 20) * (1 + severity)
    return {
        "sex": sex,
        "age_at_diagnosis": age_months // 12,
        "diagnosis": cancer,
        "stage": stage,
        "t_category": t,
        "n_category": n,
        "psa": psa / 10 if cancer == "prostate" else None,
        "ki67_percent": ki67 if cancer == "breast" else None,
        "vital_status": "dead" if draw(0, 9) < 2 + 2 * severity else "alive",
        "survival_months": months_tenths / 10,
        "baseline_date": baseline.isoformat(),
    }
