"""One decision per distinct value: what a cell of a mapped column means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from workbench.cohort.clinical.rules import READERS, Given, Read
from workbench.cohort.clinical.rules.dates import WAYS, order_of, proof_of
from workbench.cohort.clinical.rules.oncology import value_code
from workbench.cohort.clinical.rules.read import PLACEHOLDER, UNIT_UNKNOWN, UNMAPPED
from workbench.cohort.vocabulary.folding import fold
from workbench.cohort.vocabulary.mapping import ANY, EMPTY, Rule
from workbench.cohort.vocabulary.tables import Variable, variables

#: Spellings of "there is no value", folded.
MISSING: Final = frozenset(
    ("", "na", "n/a", "n-a", "n.a.", "nan", "none", "null", "nil", "unknown", "missing", "-", "--", ".", "<na>", "nd",
     "desconocido", "desconhecido", "desconegut", "sconosciuto", "inconnu", "unbekannt", "onbekend")
)  # fmt: skip
#: Text the CDM's look-up service returns for every term it does not know. EUCAIM/etl-toolset.
NOT_FOUND: Final = "not found"
#: The largest number that DECIMAL(5,2) can hold. EUCAIM/etl-toolset SQL.
CEILING: Final = 999.99
#: Rules of values that say nothing in the one language.
SILENT: Final = frozenset(
    (UNMAPPED, UNIT_UNKNOWN, PLACEHOLDER, "missing", "not-found", "as it came", "no cancer graded")
)
#: Readers that need the order of day and month.
DATED: Final = frozenset(("date", "year"))
#: Kinds of what is to be told of a decision.
LISTED, UNNAMED = "listed", "variable-unmapped"


@dataclass(frozen=True, slots=True)
class Source:
    """One column of a clinical table and what is known of it."""

    table: str
    name: str
    #: What the mapping says of it; empty where nobody knows the column.
    rules: tuple[Rule, ...]
    #: Order of day and month that its cells tell: ``dmy``, ``mdy`` or empty; a point between them tells too.
    order: str = ""
    #: Words with another meaning in this column, folded.
    words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    #: Columns that the user's own rows ask for a unit, and that the table does not have, folded.
    absent: frozenset[str] = frozenset()
    #: Order of day and month that days beyond the twelfth prove, and none disproves; a mapping cannot overrule it.
    proof: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Other columns of the row that its rules ask for."""
        return tuple(dict.fromkeys(column for rule in self.rules for column in rule.columns))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one value became."""

    variable: str
    value: str | None
    unit: str
    rule: str
    mapping: str = ""
    comparator: str = ""
    value_code: str = ""
    code_system: str = ""
    qualifier: str = ""
    #: Findings it counts for.
    findings: tuple[str, ...] = ()


def decide(
    source: Source, text: str, *, unit: str = "", code: str = "", beside: Mapping[str, str] | None = None
) -> tuple[Outcome, ...]:
    """What a cell means: one outcome, or several where one cell says several things.

    Parameters
    ----------
    source : Source
        Its column.
    text : str
        The cell.
    unit, code : str
        Unit and code stated beside it.
    beside : mapping, optional
        Cells of the same row that the column's rules ask for, by folded column name.
    """
    text = text.strip()
    if not source.rules:
        return (Outcome(source.name, text or None, unit, "as it came", findings=(UNNAMED,)),)
    chosen = _applicable(source.rules, beside or {})
    if not chosen:
        # Named by the mapping, yet under none of its conditions.
        return (Outcome(source.name, text or None, unit, "as it came", findings=(UNNAMED,)),)
    found: list[Outcome] = []
    for rule in chosen:
        if not rule.variables:
            found.append(Outcome(source.name, text or None, unit, "as it came", rule.origin))
        else:
            found.extend(_apply(rule, source, text, unit, code, beside or {}))
    return tuple(found)


def _applicable(rules: tuple[Rule, ...], beside: Mapping[str, str]) -> list[Rule]:
    """Rules whose conditions hold; where none does, those without conditions."""
    held = [rule for rule in rules if rule.when and all(_holds(wanted, beside.get(c, "")) for c, wanted in rule.when)]
    return held or [rule for rule in rules if not rule.when]


def _holds(wanted: tuple[str, ...], cell: str) -> bool:
    given = fold(cell)
    return any(value == given or (value == ANY and given not in MISSING) for value in wanted)


def _apply(rule: Rule, source: Source, text: str, unit: str, code: str, beside: Mapping[str, str]) -> list[Outcome]:
    known = variables()
    first = known[rule.variables[0]]
    meant = _meant(rule, text)
    if meant is None and fold(text) == NOT_FOUND:
        return [Outcome(first.name, None, first.unit, "not-found", rule.origin, findings=("code-not-found",))]
    empty = fold(text) in MISSING and fold(text) not in source.words
    if meant == "" or (meant is None and empty and not (code and not text)):
        return [Outcome(first.name, None, first.unit, "missing", rule.origin)]
    cell = meant if meant is not None else text
    if not unit and rule.unit:
        unit = beside.get(rule.columns[-1], "") if rule.unit.startswith("column:") else rule.unit
    if fold(unit) in MISSING or fold(unit) == NOT_FOUND:
        unit = ""
    if not unit and rule.own and rule.unit.startswith("column:") and rule.columns[-1] in source.absent:
        # The number is in some unit that a misspelt name keeps from us: taking ours would be a guess.
        return [Outcome(first.name, None, first.unit, UNIT_UNKNOWN, rule.origin, findings=("unit-unknown",))]
    stated = next((way for way in WAYS if way in rule.rules), "")
    dated = any(known[name].reader in DATED for name in rule.variables)
    if stated and dated and _against(stated, cell, source):
        return [Outcome(first.name, None, first.unit, UNMAPPED, rule.origin, findings=("date-order-contradicted",))]
    variable, reads = _read(rule, cell, code, unit, stated or source.order, source.words)
    if meant is not None and reads[0].rule not in SILENT:
        # The mapping gave the word: that is how it was read.
        reads = [replace(reads[0], rule="mapping"), *reads[1:]]
    outcomes = [_outcome(variable, read, rule, cell) for read in reads]
    if "decimal-ceiling" in rule.rules and outcomes[0].value is not None and _is_ceiling(text):
        outcomes[0] = replace(outcomes[0], comparator=">=", rule="decimal-ceiling", findings=("value-limit",))
    if outcomes[0].rule not in SILENT:
        if "years-assumed" in rule.rules and outcomes[0].rule == "number" and not unit:
            outcomes[0] = replace(outcomes[0], rule="number, years assumed")
        if "approximate" in rule.rules:
            outcomes[0] = replace(outcomes[0], rule=f"{outcomes[0].rule}, approximate")
    return outcomes


def _against(stated: str, cell: str, source: Source) -> bool:
    """Whether a date cannot be read in the order that its mapping states, or the column proves the other one.

    Where cells prove both orders the mapping decides for those that prove none.
    """
    own = proof_of(cell)
    if own or order_of(cell) == "":
        return own not in ("", stated)
    rules = {way for rule in source.rules for way in WAYS if way in rule.rules}
    # Rows of several orders, told apart by conditions: what one of them proves says nothing of the others.
    return len(rules) == 1 and source.proof not in ("", stated)


def _meant(rule: Rule, text: str) -> str | None:
    """What the mapping's own words make of a cell; None where they say nothing."""
    key = fold(text)
    if not key and EMPTY in rule.values:
        return rule.values[EMPTY]
    if key in rule.values:
        return rule.values[key]
    return rule.values.get(ANY) if key else None


def _read(
    rule: Rule, cell: str, code: str, unit: str, order: str, words: Mapping[str, str]
) -> tuple[Variable, list[Read]]:
    """Reading of a cell, or of the code beside it, under the first variable that can make something of it."""
    refused: tuple[Variable, list[Read]] | None = None
    for text in (cell, code):
        for name in rule.variables:
            variable = variables()[name]
            if not text:
                continue
            reads = READERS[variable.reader](Given(variable, text, unit, order, words))
            if reads[0].rule not in (UNMAPPED, UNIT_UNKNOWN):
                return variable, reads
            refused = refused or (variable, reads)
    assert refused is not None
    return refused


def _outcome(variable: Variable, read: Read, rule: Rule, cell: str) -> Outcome:
    of = variables()[read.variable] if read.variable else variable
    value, findings = read.value, []
    if read.rule == PLACEHOLDER:
        findings.append("date-placeholder")
    if read.rule in (UNMAPPED, UNIT_UNKNOWN):
        findings.append("value-unmapped" if read.rule == UNMAPPED else "unit-unknown")
        # A word nobody knows stays a word; a number or a date that cannot be read is none.
        value = cell if of.type == "category" else None
    if read.comparator:
        findings.append("value-limit")
    if read.rule == "tnm, prefix of the value":
        findings.append("tnm-prefix")
    code, system = value_code(of.name, value) if value is not None and read.rule not in SILENT else ("", "")
    qualifier = " ".join(part for part in (read.qualifier, rule.qualifier) if part)
    return Outcome(
        of.name, value, of.unit, read.rule, rule.origin, read.comparator, code, system, qualifier, tuple(findings)
    )


def _is_ceiling(text: str) -> bool:
    try:
        return float(text) == CEILING
    except ValueError:
        return False
