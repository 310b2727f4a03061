"""The questions a cohort answers beside ``where`` and ``sql``: each a line that opens its room."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from workbench.arguments import checked
from workbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.cohort.cohort import Cohort
    from workbench.cohort.database.database import Database, Step
    from workbench.cohort.minimum.checked import Checked
    from workbench.cohort.questions.attrition import Attrition
    from workbench.cohort.questions.overlap import Overlap
    from workbench.cohort.questions.timeline import Timeline
    from workbench.cohort.summary import Summary
    from workbench.cohort.tables.store import Stored


class Questions:
    """Questions of :class:`workbench.cohort.cohort.Cohort`; nothing here changes the cohort it is asked of."""

    extracts: tuple[Stored, ...]
    conditions: tuple[str | Step, ...]
    _database: Database

    @checked
    def timeline(self, patient: str, *, node: str | None = None) -> Timeline:
        """Images, clinical values and treatments of one patient in order: a table, with a figure.

        Dates are calendar days as written, whatever the time zone beside them. Offsets and dates are not mixed: what
        the clock of the timeline does not reach comes last.

        Raises
        ------
        UsageError
            No such patient; a pseudonym that stands at several nodes and no ``node``.
        """
        from workbench.cohort.questions.timeline import timeline

        return timeline(self._database, patient, node=node)

    @checked
    def nearest(
        self,
        variable: str,
        *,
        direction: Literal["before", "after", "either"] = "before",
        within_days: float | None = None,
    ) -> pd.DataFrame:
        """One row per imaging case: the clinical value nearest to its images, in time; the day of imaging counts.

        Parameters
        ----------
        variable : str
            Harmonised variable.
        direction : {"before", "after", "either"}
            On which side of the images.
        within_days : float, optional
            Farthest it may be.

        Returns
        -------
        DataFrame
            ``node, patient_id, timepoint``; ``value``, ``unit``, ``days_apart`` (negative before the images), by which
            ``clock``; ``ties`` counts values equally near (the earlier one, then the first in its table stands) and
            ``ties_differ`` says whether they are different; ``table, file, row``; ``why`` where there is none.

        Raises
        ------
        UsageError

        Examples
        --------
        ``cohort.clinical.merge(cohort.nearest("psa", within_days=90), on=["node", "patient_id", "timepoint"])``
        """
        from workbench.cohort.questions.nearest import nearest

        return nearest(self._database, variable, direction=direction, within_days=within_days)

    @checked
    def sample(
        self, n: int, *, by: str = "patient", stratify: str | Sequence[str] | None = None, seed: int = 0
    ) -> Cohort:
        """Smaller cohort of *n* patients, cases or image series, the same for the same seed on every machine.

        Parameters
        ----------
        n : int
            How many.
        by : {"patient", "case", "series"}
            What is drawn.
        stratify : str or list of str, optional
            Columns of ``patients`` (or ``cases``, ``series``) and ``clinical``, or SQL expressions over them, whose
            values are represented as in the whole; a patient counts with the first case.

        Raises
        ------
        UsageError, QueryError
            More than there are; an expression that is not understood.
        """
        from workbench.cohort.questions.sampling import Sample, expressions

        return self._then(Sample(n, by, expressions(stratify), seed))

    @checked
    def split(
        self,
        *,
        fractions: Mapping[str, float],
        by: str = "patient",
        stratify: str | Sequence[str] | None = None,
        seed: int = 0,
    ) -> dict[str, Cohort]:
        """Parts of a cohort by name, no patient in two of them, the same for the same seed on every machine.

        Patients linked as one person, and patients who share a study, series or instance, stay together. No part is
        empty: a split that would leave one so is refused.

        Parameters
        ----------
        fractions : mapping
            Share of patients of each part, e.g. ``{"train": 0.7, "val": 0.15, "test": 0.15}``.
        by : {"patient", "node"}
            What stays whole; whole nodes for a test on hospitals never seen.
        stratify
            As in :meth:`sample`.

        Raises
        ------
        UsageError, QueryError
        """
        from workbench.cohort.questions.sampling import split

        parts = split(self._database, by=by, stratify=stratify, fractions=fractions, seed=seed)
        return {name: self._then(part) for name, part in parts.items()}

    def attrition(self, steps: Sequence[tuple[str, str] | str]) -> Attrition:
        """How the study group comes about: patients, cases and image series after each condition, per node.

        Parameters
        ----------
        steps : sequence of (name, condition), or of conditions
            Each narrows what the one before left; another order may exclude others at each step.

        Returns
        -------
        Attrition
            ``table`` with one row per step and node and one for all, whose counts sum; text, HTML, ``figure()``,
            ``shareable()``.

        Raises
        ------
        UsageError, QueryError

        Examples
        --------
        ``cohort.attrition([("CT", "modality = 'CT'"), ("adults", "age_at_diagnosis >= 18")])``
        """
        from workbench.cohort.questions.attrition import attrition

        return attrition(self, steps)

    def overlap(self, *sets: str | tuple[str, str]) -> Overlap:
        """Which patients have what: how many have each combination of modalities, variables or conditions, per node.

        Parameters
        ----------
        *sets : str or (name, condition)
            A modality (``"CT"``, ``"SEG"``), a clinical variable (has a value), or a condition with a name.

        Returns
        -------
        Overlap
            ``table`` with one row per combination and node and one for all; text, HTML, ``figure()``, ``shareable()``.

        Raises
        ------
        UsageError, QueryError

        Examples
        --------
        ``cohort.overlap("CT", "PT", "psa", ("thin", "slice_spacing_mm < 2"))``
        """
        from workbench.cohort.questions.overlap import overlap

        return overlap(self, sets)

    @checked
    def check(
        self,
        profile: str = "eucaim-minimum",
        *,
        description: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        tier3: bool = False,
    ) -> Checked:
        """Which minimum attributes are there: one row per check, counted, with examples and remedies.

        Parameters
        ----------
        profile : str, default "eucaim-minimum"
            Minimum attributes of EUCAIM's handbook.
        description : mapping or path, optional
            What the description of the dataset says of its annotations; see
            :func:`workbench.cohort.minimum.check`.
        tier3 : bool, default False
            The formats that tier 3 asks for are mandatory too.

        Returns
        -------
        Checked
            ``table``, ``by_node``, ``passed``, ``failing``; text, HTML, ``shareable()``.

        Raises
        ------
        UsageError, PathNotFound

        Examples
        --------
        ``cohort.check().table``
        """
        from workbench.cohort.minimum.checking import check

        return check(self, profile, description=description, tier3=tier3)

    @checked
    def summary(self, *, audience: Literal["local", "shareable"] | None = None) -> Summary:
        """Who holds what and what is irregular, as text and HTML.

        Parameters
        ----------
        audience : {"local", "shareable"}, optional
            ``shareable``: no identity, file name or text of a condition; no count that rests on fewer than
            ``options.min_count`` patients, and none that others shown would give away. Default ``options.audience``.

        Raises
        ------
        UsageError
        """
        from workbench.cohort.summary import summary

        return summary(cast("Cohort", self), audience)

    def __or__(self, other: Cohort) -> Cohort:
        """Patients and series of either cohort; both of the same extracts."""
        return self._with("|", other)

    def __and__(self, other: Cohort) -> Cohort:
        """Patients who are in both, with the series they have in this one."""
        return self._with("&", other)

    def __sub__(self, other: Cohort) -> Cohort:
        """Patients of this cohort who are not in the other."""
        return self._with("-", other)

    def __ror__(self, other: object) -> Cohort:
        """Nothing: what stands before it is no cohort, which is an error."""
        return self._with("|", other)

    def __rand__(self, other: object) -> Cohort:
        """Nothing: what stands before it is no cohort, which is an error."""
        return self._with("&", other)

    def __rsub__(self, other: object) -> Cohort:
        """Nothing: what stands before it is no cohort, which is an error."""
        return self._with("-", other)

    def _with(self, operator: str, other: object) -> Cohort:
        from workbench.cohort.cohort import Cohort
        from workbench.cohort.questions.sets import combination

        if not isinstance(other, Cohort):
            raise UsageError(
                f"a cohort and {type(other).__name__} cannot be combined with {operator}",
                remedy="give a cohort of the same extracts: cohort.where(...)",
            )
        return self._then(combination(operator, self, other))

    def _then(self, step: str | Step) -> Cohort:
        from workbench.cohort.cohort import Cohort

        return Cohort(self.extracts, (*self.conditions, step), within=cast("Cohort", self))
