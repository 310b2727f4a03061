"""Cohorts as sets of patients: union, intersection, difference.

``a & b`` are the patients who are in both, with the series of *a*; ``a - b`` those of *a* who are not in *b*;
``a | b`` everybody and every series of either. So ``(a & b) | (a - b)`` is *a* again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.cohort.database.database import Database
    from workbench.cohort.questions.asking import Questions

#: Operator -> words.
WORDS: Final = {"|": "or of", "&": "and also of", "-": "and not of"}


@dataclass(frozen=True)
class Combined:
    """A step of a selection: what another cohort of the same extracts adds or leaves."""

    #: ``|``, ``&`` or ``-``.
    operator: str
    #: Steps that narrowed the other cohort.
    steps: tuple[Any, ...]

    def __str__(self) -> str:
        others = " and ".join(f"({step})" for step in self.steps) or "the whole cohort"
        return f"{WORDS[self.operator]} {others}"

    @property
    def public(self) -> str:
        """What it is, without a word of the caller's."""
        return "combined with another cohort"

    def apply(self, database: Database) -> None:
        """Combine what is kept with what the other steps keep."""
        with database.aside(self.steps) as (series, patients):
            run = database.run
            if self.operator == "|":
                run(f"insert into kept_series select * from {series} except select * from kept_series")
                run(f"insert into kept_patients select * from {patients} except select * from kept_patients")
                return
            how = "semi" if self.operator == "&" else "anti"
            run(f"""
                create or replace table kept_patients as
                select k.* from kept_patients k {how} join {patients} o using (node, patient_id)""")
            run("""
                create or replace table kept_series as
                select k.* from kept_series k join all_series a using (node, SeriesInstanceUID)
                semi join kept_patients p using (node, patient_id)""")


def combination(operator: str, left: Questions, right: Questions) -> Combined:
    """The step that combines a cohort with another one of the same extracts.

    Raises
    ------
    UsageError
        They are of different extracts, or of another state of them.
    """
    _same_extracts(left, right)
    return Combined(operator, right.conditions)


def _same_extracts(left: Questions, right: Questions) -> None:
    places, states = ([{f(e) for e in cohort.extracts} for cohort in (left, right)] for f in (_place, _state))
    if places[0] != places[1]:
        only = ", ".join(sorted({node for node, _ in places[0] ^ places[1]}))
        raise UsageError(
            f"cohorts of different extracts ({only}) cannot be combined",
            remedy="open all of them as one cohort, narrow that with where(...), and combine what comes out",
        )
    if states[0] != states[1]:
        raise UsageError(
            "the extracts changed between the two openings", remedy="open them again and narrow both from that"
        )


def _place(extract: Any) -> tuple[str, str]:
    return extract.node, str(extract.root)


def _state(extract: Any) -> tuple[str, str]:
    return extract.node, extract.fingerprint
