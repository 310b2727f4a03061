"""Several nodes' extracts as one cohort: tables, findings, questions, arrays. Immutable."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.arguments import checked
from workbench.cohort.database.database import GROUPED_FINDINGS, Database, Step
from workbench.cohort.database.engine import ORDER_OF_VALUES
from workbench.cohort.images.together import Images
from workbench.cohort.questions.asking import Questions
from workbench.cohort.tables.store import Stored
from workbench.cohort.vocabulary.tables import variables
from workbench.errors import AmbiguousSeries, QueryError, SeriesNotFound

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.arrays.label_files import LabelFile
    from workbench.labels.choosing import Select
    from workbench.labels.names import Names


class Cohort(Questions, Images):
    """Extracts opened together; made by :func:`workbench.open_cohort`.

    Parameters
    ----------
    extracts : sequence of Stored
        The opened extracts.
    conditions : sequence of str or Step
        SQL conditions and other steps (samples, parts, sets) that made it what it is, one after another.
    within : Cohort, optional
        The cohort of the same extracts that the last of them narrowed.
    """

    def __init__(
        self, extracts: Sequence[Stored], conditions: Sequence[str | Step] = (), *, within: Cohort | None = None
    ) -> None:
        self.extracts: tuple[Stored, ...] = tuple(extracts)
        #: The conditions and other steps this cohort was narrowed by.
        self.conditions: tuple[str | Step, ...] = tuple(conditions)
        self._database: Database = Database(
            self.extracts, self.conditions, within=None if within is None else within._database
        )
        self._tables: dict[str, pd.DataFrame] = {}

    @property
    def nodes(self) -> list[str]:
        """Names of the nodes, in the order opened."""
        return list(dict.fromkeys(extract.node for extract in self.extracts))

    @property
    def link_roots(self) -> list[Path]:
        """Folders outside the extracts that their links may lead to."""
        return list(dict.fromkeys(root for extract in self.extracts for root in extract.link_roots))

    @property
    def patients(self) -> pd.DataFrame:
        """One row per node and patient: what they have of studies, series, modalities, clinical data."""
        return self._table("select * from patients")

    @property
    def studies(self) -> pd.DataFrame:
        """One row per study, with its timepoint within the patient."""
        return self._table("select * from studies")

    @property
    def cases(self) -> pd.DataFrame:
        """One row per case, a patient at one imaging timepoint: by which rule, when, what there is of it."""
        return self._table("select * from cases")

    @property
    def series(self) -> pd.DataFrame:
        """One row per series: identity, modality, sizes, geometry verdict of its largest part, labels on it."""
        return self._table("select * from series")

    @property
    def clinical(self) -> pd.DataFrame:
        """One row per case (patient and timepoint), one column per harmonised variable.

        ``attrs["doubts"]`` holds variable, node and text of each suspicion that values are in another unit; what
        computes with the table says so.
        """
        table = self._table("select * from clinical")
        doubts = self._table("select node, message from findings where code = 'unit-suspected' order by all")
        table.attrs["doubts"] = [[text.partition(":")[0], node, text] for node, text in doubts.itertuples(index=False)]
        return table

    @property
    def values(self) -> pd.DataFrame:
        """Every clinical value, long: harmonised, and as it came, with table, file, row and rule."""
        return self._table(f'select * from "values" order by {ORDER_OF_VALUES}')

    @property
    def variables(self) -> pd.DataFrame:
        """The harmonised variables that occur: type, UCUM unit, description."""
        import pandas as pd

        # The vocabulary has the keys too, which name the row and are no value in it.
        there = set(self._database.columns("clinical")) - {"node", "patient_id", "timepoint"}
        rows = [(v.name, v.type, v.unit, v.description) for v in variables().values() if v.name in there]
        return pd.DataFrame(rows, columns=["variable", "type", "unit", "description"])

    @property
    def findings(self) -> pd.DataFrame:
        """What is irregular, grouped by kind and node, the serious first; each with an example and a remedy.

        Every single one, with its patient, series and file: ``cohort.sql("select * from findings")``.
        """
        return self._table(GROUPED_FINDINGS)

    def _table(self, query: str) -> pd.DataFrame:
        """Answer of a query, asked once; a copy, so that changing it changes nothing here."""
        if query not in self._tables:
            self._tables[query] = self._database.frame(query)
        return self._tables[query].copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return Cohort, (self.extracts, self.conditions)

    def where(self, condition: str) -> Cohort:
        """Smaller cohort: image series for which an SQL condition holds, and the patients who own them.

        Columns are those of ``series`` and ``clinical``. Segmentations, structure sets and reports that refer to
        a kept series stay. Patients without images leave, and the printed cohort says how many; where no extract has
        images, the patients stay for a clinical row of whom the condition holds. A condition is one expression that
        has the same answer on every day: without ``random()``, ``current_date`` and the like.

        Raises
        ------
        QueryError
            The condition is not understood, or is not one.

        Examples
        --------
        ``cohort.where("modality = 'CT' and age_at_diagnosis >= 50")``
        """
        if not isinstance(condition, str):
            raise QueryError("the condition is no text", remedy="for example: modality = 'CT'")
        return self._then(condition)

    @checked
    def lock(self, path: str | os.PathLike[str], *, rehash: bool = False) -> Path:
        """Write down which instances of which extracts this cohort is made of; ``open_cohort(lock=...)`` opens it.

        Parameters
        ----------
        path : path
            Lock file, JSON: every instance of the extracts (timepoints and findings come from all of them) with path,
            SOPInstanceUID, size, digest of the header and length of the pixels; digests of the clinical tables;
            conditions, kept series and patients. Paths are relative; of persons it holds pseudonyms alone.
        rehash : bool, default False
            Read the files of this cohort's series whole and note their SHA-256, which opening then checks.

        Raises
        ------
        UsageError
            It lies within an extract.
        WriteError
            It could not be written; under its name stands what stood there before.

        Examples
        --------
        ``cohort.where("modality = 'CT'").lock("cohort.lock.json")``
        """
        from workbench.cohort.lock import write_lock
        from workbench.cohort.outside import require_outside

        place = require_outside(path, self)
        write_lock(self, place, rehash=rehash)
        return place

    @checked
    def duplicates(self, *, pixels: bool = False) -> pd.DataFrame:
        """Images of this cohort that stand in it twice, as rows of findings with their counts.

        Parameters
        ----------
        pixels : bool, default False
            Also compare pixels: of images that agree in length, matrix, encoding and place, 4 kB are read, and of
            those that agree in these the rest. Images of one value throughout are not compared.

        Returns
        -------
        DataFrame
            ``instance-duplicated``: the same SOPInstanceUID at two nodes, a row per series. ``pixels-duplicated``: the
            same pixels under two UIDs, a row per pair of series. Empty where nothing stands twice.

        Examples
        --------
        ``cohort.duplicates(pixels=True)``
        """
        from workbench.cohort.identity.duplicates import duplicates
        from workbench.cohort.tables.build import findings_table

        return findings_table("", duplicates(self._database, self.extracts, pixels=pixels)).to_pandas()

    def sql(self, query: str) -> pd.DataFrame:
        """Answer of a DuckDB query over the tables patients, studies, series, parts, clinical, "values", findings
        and instances.

        It sees what this cohort kept; no other table, and none of the engine's own.

        Raises
        ------
        QueryError
            The query is not understood, or asks another table.
        """  # noqa: D205
        return self._database.answer(query)

    @checked
    def load(
        self,
        series_uid: str,
        *,
        node: str | None = None,
        part: int | None = None,
        masks: bool | Select = False,
        names: Names | None = None,
        threshold: float | None = None,
        resample: Literal["nearest"] | None = None,
        values: str = "physical",
        dtype: str | None = None,
    ) -> xr.Dataset:
        """Lazy Dataset of one series: ``image`` (z, y, x) in physical values.

        Parameters
        ----------
        series_uid : str
            SeriesInstanceUID of an image series.
        node : str, optional
            Needed where the same series stands at several nodes.
        part : int, optional
            Needed where a series was split; 1 is the largest part.
        masks : bool, "newest" or mapping, default False
            Add ``mask (segment, z, y, x)`` of every segmentation and structure set that refers to the series, and of
            NIfTI files named as masks beside it; of the newest alone; or of the segments that fit, e.g.
            ``{"name": "GTV*", "algorithm": "MANUAL"}``. What was irregular stands in ``attrs["mask_findings"]``.
        names : mapping or path of a CSV, optional
            Further spellings of segment names; see :func:`workbench.labels.names.name_table`.
        threshold : float, optional
            Fractions of at least this are in ``mask``; without it they are ``fraction (fraction_segment, z, y, x)``.
        resample : {"nearest"}, optional
            Bring masks of another grid onto the image; without it they are findings.
        values, dtype
            As in ``xarray.open_dataset(..., engine="dicom")``.

        Raises
        ------
        SeriesNotFound, AmbiguousSeries
        DicomError
            The series cannot be loaded; says why.
        """
        from workbench.cohort.images.loading import load

        how = {"names": names, "threshold": threshold, "resample": resample}
        return load(self._owner(series_uid, node), series_uid, part=part, masks=masks, how=how, values=values,
                    dtype=dtype, database=self._database)  # fmt: skip

    def _owner(self, series_uid: str, node: str | None) -> Stored:
        """The extract that holds a series of this cohort."""
        rows = self._database.rows("select node, kind from series where SeriesInstanceUID = ?", [series_uid])
        here = [(name, kind) for name, kind in rows if node is None or name == node]
        nodes = [name for name, kind in here if kind == "image"]
        if not nodes:
            at = f" at {node}" if node is not None else " in this cohort"
            what = "series is not an image" if here else f"no such series{at}"
            raise SeriesNotFound(what, series=series_uid, remedy="see cohort.series")
        if len(nodes) > 1:
            raise AmbiguousSeries(
                f"series stands at {', '.join(nodes)}", series=series_uid, remedy="choose one with node=..."
            )
        holders = [extract for extract in self.extracts if extract.node == nodes[0]]
        if len(holders) > 1:
            from workbench.cohort.images.loading import holds

            holders = [extract for extract in holders if holds(extract, series_uid)]
        return holders[0]

    @checked
    def nifti_masks(self, series_uid: str, *, node: str | None = None) -> list[LabelFile]:
        """NIfTI files that ``load(masks=True)`` takes for masks of a series, by their name and folder.

        Raises
        ------
        SeriesNotFound, AmbiguousSeries
        """
        from workbench.cohort.images.loading import nifti_files

        return nifti_files(self._owner(series_uid, node), series_uid, self._database)

    def to_datatree(self) -> xr.DataTree:
        """Lazy DataTree ``/node/patient/study/series`` of every image series.

        A series that cannot be loaded is left out and named, with the reason, in the attribute ``not_loaded`` of
        the root.
        """
        from workbench.cohort.images.loading import datatree

        return datatree(self.extracts, self._database)

    def overview(self) -> list[dict[str, Any]]:
        """Who holds what: one row per node with patients, studies, series and image series by modality."""
        from workbench.cohort.summary import overview

        return overview(self, self._database)

    def grouped_findings(self) -> list[dict[str, Any]]:
        """Rows of :attr:`findings` as plain dictionaries."""
        names = ("severity", "code", "node", "count", "what", "where", "remedy")
        return [dict(zip(names, row, strict=True)) for row in self._database.rows(GROUPED_FINDINGS)]

    def __repr__(self) -> str:
        return repr(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
