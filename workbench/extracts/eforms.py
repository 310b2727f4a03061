"""The clinical forms of the dataset service: ``eforms.json``, a list of ``{subjectName, eForm}``.

Three shapes of eForm were seen: pages of variables, a flat object of texts (made from a table), and an empty
object. Source: chaimeleon-eu/dataset-service, ``eforms.schema.json`` and ``eform.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from workbench.extracts.paths import nfc
from workbench.extracts.record import ClinicalRow
from workbench.findings import Finding

#: Variable under which an eForm of unknown shape is kept, as JSON.
RAW = "eForm"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_eforms(data: bytes, *, file: str = "eforms.json") -> tuple[tuple[ClinicalRow, ...], tuple[Finding, ...]]:
    """Clinical values of an eforms file in long form, and what was irregular; never raises.

    Parameters
    ----------
    data : bytes
        Its content, JSON in UTF-8.
    file : str
        Its path relative to the extract.

    Examples
    --------
    >>> rows, _ = read_eforms(b'[{"subjectName": "P1", "eForm": {"age": "61"}}]')
    >>> rows[0].variable, rows[0].value
    ('age', '61')
    """
    try:
        items = parse_json(data)
    except ValueError as error:
        return (), (Finding("clinical-unreadable", str(error), path=file),)
    if not isinstance(items, list):
        return (), (Finding("clinical-unreadable", "top value is not a list", path=file),)
    rows: list[ClinicalRow] = []
    findings: list[Finding] = []
    seen: dict[str, Any] = {}
    for position, item in enumerate(items):
        place = f"{file}[{position}]"
        subject = item.get("subjectName") if isinstance(item, dict) else None
        if not isinstance(subject, str) or not subject.strip():
            findings.append(Finding("clinical-unreadable", f"{place}: no subjectName", path=file))
            continue
        subject, form = nfc(subject.strip()), item.get("eForm")
        if subject in seen:
            same = form == seen[subject]
            message = f"{place}: the subject has {'the same' if same else 'another'} eForm further up"
            findings.append(Finding("rows-per-patient-unclear", message, patient_id=subject, path=file))
            if same:
                continue
        seen[subject] = form
        of_form = _Form(subject, file)
        of_form.read(form)
        rows += of_form.rows
        if of_form.odd:
            findings.append(Finding("eform-shape-unknown", f"{place}: {of_form.odd}", patient_id=subject, path=file))
        if isinstance(form, dict) and nfc(str(form.get("chaimeleon_patient_id") or subject)) != subject:
            message = f"{place}: the eForm's own patient id is another"
            findings.append(Finding("patient-id-mismatch", message, patient_id=subject, path=file))
    return tuple(rows), tuple(findings)


def parse_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8, with or without byte order mark.

    Raises
    ------
    ValueError
        It cannot be read; the message says where and quotes nothing.
    """
    try:
        value = json.loads(data.decode("utf-8-sig"))
        if _SURROGATE.search(data):
            # Half of a pair is no character: it could be neither a name on disk nor stored as text.
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError:
        raise ValueError("JSON holds half of a character (an unpaired surrogate)") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    except ValueError:
        raise ValueError("JSON holds a number that is too long") from None


class _Form:
    """Rows of one eForm while it is read."""

    def __init__(self, subject: str, file: str) -> None:
        self.subject = subject
        self.file = file
        self.rows: list[ClinicalRow] = []
        #: What was not understood first; empty where all was.
        self.odd = ""

    def read(self, form: Any) -> None:
        if form is None or form == {}:
            return
        if isinstance(form, dict) and isinstance(form.get("pages"), list):
            for number, page in enumerate(form["pages"]):
                self._page(page, f"pages[{number}]")
        elif isinstance(form, dict) and "pages" not in form and not any(map(_nested, form.values())):
            for name, value in form.items():
                self._add(name, value, page="eForm")
        else:
            self._keep(form, RAW, "neither pages nor a flat object")

    def _page(self, page: Any, place: str) -> None:
        name = page.get("page_name") if isinstance(page, dict) else None
        data = page.get("page_data", {}) if isinstance(page, dict) else None
        if not isinstance(name, str) or not isinstance(data, dict):
            self._keep(page, f"{RAW}.{place}", f"{place} has no page_name or no page_data")
            return
        for variable, content in data.items():
            self._variable(f"{name}.{variable}", content, page=name)
        for number, item in enumerate(_leaves(page.get("lists") or []), start=1):
            if isinstance(item, dict):
                for variable, content in item.items():
                    self._variable(f"{name}.{variable}", content, page=name, row=number)
            else:
                self._add(f"{name}.lists", item, page=name, row=number)

    def _variable(self, variable: str, content: Any, *, page: str, row: int = 0) -> None:
        if isinstance(content, dict) and "value" in content:
            unit = content.get("unit")
            self._add(variable, content["value"], page=page, row=row, unit=unit if isinstance(unit, str) else "")
        elif not _nested(content):
            self._add(variable, content, page=page, row=row)
        else:
            self._keep(content, variable, "a variable without a value", page=page, row=row)

    def _keep(self, content: Any, variable: str, odd: str, *, page: str = RAW, row: int = 0) -> None:
        self.odd = self.odd or odd
        self._add(variable, content, page=page, row=row)

    def _add(self, variable: str, value: Any, *, page: str, row: int = 0, unit: str = "") -> None:
        self.rows.append(
            ClinicalRow(self.subject, variable, _text(value), unit=unit, table=page, file=self.file, row=row)
        )


def _nested(value: Any) -> bool:
    return isinstance(value, (dict, list))


def _leaves(value: Any) -> Iterator[Any]:
    """Items of a list of lists, in order; anything else is one item."""
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    # Numbers and truth values as JSON writes them; several ticked boxes stay one JSON list.
    return json.dumps(value, ensure_ascii=False)
