"""A dataset's record in the federation's catalogue, as far as a cohort tells it.

Nothing is written and nothing leaves: what is printed for others hides what rests on few patients, as everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

from workbench.arguments import checked
from workbench.cohort.catalogue import normalise
from workbench.cohort.catalogue.described import Described, Entry, State
from workbench.cohort.catalogue.fields import Field, fields
from workbench.cohort.minimum.from_files import segmentations
from workbench.cohort.questions import small
from workbench.cohort.vocabulary.folding import fold
from workbench.cohort.vocabulary.tables import concepts, words
from workbench.errors import UsageError, WorkbenchError
from workbench.options import options
from workbench.progress import track

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort

#: What stands in front of a concept of the hyper-ontology.
IRI: Final = "https://cancerimage.eu/ontology/EUCAIM#"
_SYSTEMS: Final = """
select distinct code_system, patient_id from "values" where node = ? and coalesce(code_system, '') <> ''"""
_VARIABLES: Final = """
select distinct variable, patient_id from "values"
where node = ? and "table" <> 'DICOM header' and value is not null and coalesce(variable, '') <> ''"""
_STRUCTURE_SETS: Final = """
select s.node, s.patient_id, i.path from series s join instances i using (node, SeriesInstanceUID)
where s.kind = 'structure-set' and s.resource = 'DICOM' order by all"""
_NOT_KNOWN: Final = frozenset(("", "unknown"))
#: Value -> patients it is of.
Held = Mapping[str, set[str]]
#: What a field holds at a node: values, the same in words, what must be known of them, whether they are hidden.
Found = tuple[tuple[str | int | bool, ...], tuple[str, ...], str, bool]
_NOTHING: Final[Found] = ((), (), "", False)


@checked
def describe(cohort: Cohort, *, audience: Literal["local", "shareable"] | None = None) -> Described:
    """Fields of a dataset's record that a cohort tells, beside what each extract declares; one record per node.

    Counts are of patients, of imaging studies and of annotated studies. Values are IRIs of the hyper-ontology where
    our vocabulary has a code for them, else words, which the note says. Ages are whole years at imaging, of patients
    without one at diagnosis.

    Parameters
    ----------
    cohort : Cohort
        As opened; a narrowed one is described as narrowed.
    audience : {"local", "shareable"}, optional
        For others, a count and a value rest on at least ``options.min_count`` patients, ages and days are those that as
        many patients lie beyond, and days are given as years. Default ``options.audience``.

    Returns
    -------
    Described
        ``.table`` is one row per node and field; ``.missing(node)`` names the mandatory ones that are not there.

    Raises
    ------
    UsageError
        An audience that is none.

    Examples
    --------
    ``wb.catalogue.describe(wb.open_cohort("demo/extracts/*"))``
    """
    audience = options.audience if audience is None else audience  # type: ignore[assignment]
    if audience not in ("local", "shareable"):
        raise UsageError(f"audience={audience!r}", remedy="use 'local' or 'shareable'")
    facts = _Facts(cohort, options.min_count if audience == "shareable" else 0)
    entries = [facts.entry(field, node) for node in cohort.nodes for field in fields()]
    notes = ["not sealed: counts are of what was found, nothing was verified"]
    if cohort.conditions:
        notes.append("the cohort was narrowed: what is found is of the part, what is declared of the whole extract")
    if facts.k:
        notes.append(f"what rests on fewer than {facts.k} patients is hidden")
    return Described(tuple(entries), facts.k, tuple(notes))


class _Facts:
    """What a cohort tells of each node's dataset; asked once, for all fields."""

    def __init__(self, cohort: Cohort, k: int) -> None:
        #: Fewest patients behind what is shown; 0 where everything is.
        self.k = k
        self._cohort = cohort
        self._rows = cohort._database.rows
        self._columns = set(cohort._database.columns("clinical"))
        self._patients: dict[str, int] = dict(self._rows("select node, count(*) from patients group by node"))
        self._imaged: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for node, study, patient in self._rows(
            "select distinct node, StudyInstanceUID, patient_id from series where kind = 'image'"
        ):
            self._imaged[node][study].add(patient)
        self._declared: dict[str, dict[str, Any]] = defaultdict(dict)
        for extract in cohort.extracts:
            self._declared[extract.node] |= extract.record().get("declared", {})
        self._segments: dict[str, tuple[Held, Held]] | None = None
        self._how: dict[str, Callable[[Field, str], Found]] = {
            "dataset": self._dataset,
            "fixed": lambda field, _: ((field.of,), (), "", False),
            "structured": self._structured,
            "variables": self._variables,
            "patients": lambda _, node: self._count(self._patients.get(node, 0), self._patients.get(node, 0)),
            "studies": self._studies,
            "annotated": self._annotated,
            "sex": lambda _, node: self._coded("sex", self._said(node, "sex")),
            "condition": self._condition,
            "modality": lambda _, node: self._coded("modality", self._of_images(node, "Modality")),
            "manufacturer": lambda _, node: self._coded(
                "manufacturer", self._of_images(node, "Manufacturer", lambda text: [normalise.maker(text) or ""])
            ),
            "body_part": lambda _, node: self._coded(
                "body_part", self._of_images(node, "BodyPartExamined", normalise.body_parts)
            ),
            "lowest_age": lambda _, node: self._edge(self._ages(node), last=False),
            "highest_age": lambda _, node: self._edge(self._ages(node), last=True),
            "period": self._period,
            "labels": lambda _, node: self._plain(self._annotations(node)[0]),
            "algorithm_types": lambda _, node: self._coded("segment_algorithm_type", self._annotations(node)[1]),
            "coding_systems": lambda _, node: self._plain(self._held(_SYSTEMS, node)),
        }  # fmt: skip

    def entry(self, field: Field, node: str) -> Entry:
        """One field of one node."""
        declared = next((v for name in field.of.split("|") if (v := self._declared[node].get(name)) is not None), None)
        if not field.how:
            return Entry(node, field, "to state")
        if field.how == "declared":
            return Entry(node, field, "to state" if declared is None else "declared", declared=declared)
        values, told, note, hidden = self._how[field.how](field, node)
        state: State = "hidden" if hidden else "found" if values else "missing"
        if isinstance(declared, int) and self.k:
            shown = small.beside(declared, values[0], self.k) if values and isinstance(values[0], int) else None
            declared = shown if isinstance(shown, int) else None
        if values and declared is not None and declared != values[0] and not hidden:
            note = f"{note}; " * bool(note) + f"the extract declares {declared}"
        return Entry(node, field, state, values, told, declared, note)

    def _dataset(self, _: Field, node: str) -> Found:
        names = tuple(dict.fromkeys(one.dataset_id for one in self._cohort.extracts if one.node == node))
        return names, (), "several datasets of one node" * (len(names) > 1), False

    def _held(self, query: str, node: str, spelt: Callable[[str], Iterable[str]] = lambda text: [text]) -> Held:
        """Value -> patients, of a query of values and patients of one node."""
        found: dict[str, set[str]] = defaultdict(set)
        for value, patient in self._rows(query, [node]):
            for word in spelt(str(value)):
                if word not in _NOT_KNOWN:
                    found[word].add(patient)
        return found

    def _said(self, node: str, variable: str) -> Held:
        """Value of a clinical variable -> patients."""
        if variable not in self._columns:
            return {}
        return self._held(
            f'select distinct "{variable}", patient_id from clinical where node = ? and "{variable}" is not null', node
        )

    def _of_images(self, node: str, column: str, spelt: Callable[[str], Iterable[str]] = lambda text: [text]) -> Held:
        return self._held(
            f"""select distinct "{column}", patient_id from series
            where node = ? and kind = 'image' and coalesce("{column}", '') <> ''""", node, spelt,
        )  # fmt: skip

    def _structured(self, field: Field, node: str) -> Found:
        held, _, note, hidden = self._variables(field, node)
        return (small.HIDDEN if hidden else bool(held),), (), note, hidden

    def _variables(self, _: Field, node: str) -> Found:
        """Clinical variables that tables of a node have values of."""
        return self._plain(self._held(_VARIABLES, node))

    def _enough(self, held: Held) -> tuple[list[str], str]:
        """Values that enough patients have, in order, and whether others are hidden."""
        kept = sorted(value for value, patients in held.items() if len(patients) >= self.k)
        return kept, "values of few patients are hidden" * (len(kept) < len(held))

    def _plain(self, held: Held) -> Found:
        kept, note = self._enough(held)
        return tuple(kept), (), note, bool(held) and not kept

    def _coded(self, value_set: str, held: Held) -> Found:
        """Values as IRIs where the vocabulary has a code of the hyper-ontology."""
        kept, note = self._enough(held)
        ours = [words(value_set).get(fold(value), value) for value in kept]
        codes = [concepts(value_set).get(word, "") for word in ours]
        bare = [word for word, code in zip(ours, codes, strict=True) if not code]
        notes = [note, f"no code of the hyper-ontology: {', '.join(bare)}" if bare else ""]
        values = tuple(f"{IRI}{code}" if code else word for word, code in zip(ours, codes, strict=True))
        return values, tuple(ours), "; ".join(filter(None, notes)), bool(held) and not kept

    def _condition(self, _: Field, node: str) -> Found:
        held = self._said(node, "diagnosis") or self._said(node, "cancer_type")
        values, told, note, hidden = self._coded("diagnosis", held)
        several = f"exactly one is asked for, {len(values)} were found" if len(values) > 1 else ""
        return values, told, "; ".join(filter(None, (several, note))), hidden

    def _count(self, count: int, patients: int, *, others: int | None = None) -> Found:
        """A count of what patients have; hidden where it, or who has none of it, would tell of few."""
        if not self.k:
            return (count,), (), "", False
        cell = small.beside(count, patients, self.k)
        if others is not None and not isinstance(small.partition([patients, others], self.k)[0], int):
            cell = small.HIDDEN
        return (cell,), (), "", not isinstance(cell, int)

    def _studies(self, _: Field, node: str) -> Found:
        studies = self._imaged[node]
        return self._count(len(studies), len(set().union(*studies.values())) if studies else 0)

    def _annotated(self, _: Field, node: str) -> Found:
        """Imaging studies with a segmentation or structure set, in themselves or referring to their series."""
        studies = {study: patients for study, patients in self._imaged[node].items() if study in self._marked(node)}
        if not studies:
            return _NOTHING if not self.k else self._count(0, 0)
        whom = set().union(*studies.values())
        everybody = set().union(*self._imaged[node].values())
        return self._count(len(studies), len(whom), others=len(everybody - whom))

    def _marked(self, node: str) -> set[str]:
        drawn = "kind in ('segmentation', 'structure-set')"
        rows = self._rows(
            f"""with labels as (select StudyInstanceUID, refers_to from series where node = ? and {drawn}),
            named as (select unnest(refers_to) as uid from labels)
            select StudyInstanceUID from series
            where node = ? and kind = 'image' and SeriesInstanceUID in (select uid from named)
            union select StudyInstanceUID from labels where len(coalesce(refers_to, [])) = 0""",
            [node, node],
        )
        return {study for (study,) in rows}

    def _ages(self, node: str) -> list[tuple[float, float]]:
        """Least and largest age of each patient, years."""
        ages: dict[str, tuple[float, float]] = {}
        for variable in ("age_at_imaging", "age_at_diagnosis"):
            if variable in self._columns:
                for patient, least, most in self._rows(
                    f'select patient_id, min("{variable}"), max("{variable}") from clinical '
                    f'where node = ? and "{variable}" between 0 and {normalise.OLDEST} group by patient_id',
                    [node],
                ):
                    ages.setdefault(patient, (least, most))
        return list(ages.values())

    def _edge(self, ages: list[tuple[float, float]], *, last: bool) -> Found:
        """Age in whole years that nobody, or for others at least k - 1 further patients, lies beyond."""
        ordered = sorted((pair[last] for pair in ages), reverse=last)
        if not ordered:
            return _NOTHING
        if self.k and len(ordered) < 2 * self.k:
            return (small.HIDDEN,), (), "", True
        return (int(ordered[max(self.k, 1) - 1]),), (), "", False

    def _period(self, _: Field, node: str) -> Found:
        """First and last day of imaging studies; for others the years that at least k patients lie within."""
        days: dict[str, list[date]] = defaultdict(list)
        for patient, day in self._rows(
            """select patient_id, try_strptime(trim(StudyDate), '%Y%m%d')::date as day from series
            where node = ? and kind = 'image' and day is not null""",
            [node],
        ):
            days[patient].append(day)
        if not days:
            return _NOTHING
        if self.k and len(days) < 2 * self.k:
            return (small.HIDDEN,), (), "", True
        place = max(self.k, 1) - 1
        first = sorted(min(of) for of in days.values())[place]
        last = sorted((max(of) for of in days.values()), reverse=True)[place]
        shown = (first.isoformat(), last.isoformat()) if not self.k else (str(first.year), str(last.year))
        return shown, (), "dates may have been moved when they were de-identified", False

    def _annotations(self, node: str) -> tuple[Held, Held]:
        """Names of segments, and how they were drawn -> patients; of DICOM segmentations and structure sets."""
        if self._segments is None:
            held: dict[str, tuple[dict[str, set[str]], dict[str, set[str]]]] = {
                name: (defaultdict(set), defaultdict(set)) for name in self._cohort.nodes
            }
            for where, patient, *texts in self._drawn():
                for kept, text in zip(held[where], texts, strict=True):
                    if text:
                        kept[text].add(patient)
            self._segments = dict(held)
        return self._segments[node]

    def _drawn(self) -> Iterator[tuple[str, str, str, str]]:
        """Node, patient, name and algorithm type of every segment; an object that cannot be read states none."""
        from workbench.labels.read import describe as described

        extracts = {extract.node: extract for extract in self._cohort.extracts}
        for one in segmentations(self._cohort._database, extracts):
            for facts in one.facts or ():
                yield one.node, one.patient_id, facts.label, facts.algorithm_type
        rows = self._rows(_STRUCTURE_SETS)
        for node, patient, path in track(rows, "reading structure sets", unit="structure sets"):
            with suppress(WorkbenchError, OSError):
                for segment in described(extracts[node].root.joinpath(*path.split("/")), name=path).segments:
                    yield node, patient, segment.name, segment.algorithm
