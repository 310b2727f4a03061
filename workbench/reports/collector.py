"""What a report found, collected while its notebook runs and written as ``results.json``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import workbench
from workbench.errors import UsageError
from workbench.reports.parameters import PLACES, CommonParams, json_safe
from workbench.reports.record import write_json
from workbench.reports.tables import Html, table
from workbench.writing import aside

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: Name and version of the file's shape.
SCHEMA: Final = "workbench-results/1"
#: How a check can end.
CHECK_STATUSES: Final = ("pass", "pass-with-rows", "fail", "n.a.", "error")
_WORDS: Final = {"serious": "Serious", "attention": "Attention", "note": "Note"}


def results(parameters: CommonParams) -> Results:
    """An empty collection of results for one report.

    Examples
    --------
    >>> R = results(CommonParams(extract=[Path("a")]))
    >>> R.check("all-there", category="completeness", numerator=9, denominator=10, threshold=0.8, note="9 of 10")
    'pass-with-rows'
    """
    return Results(parameters)


class Results:
    """Tables, checks, findings and figures of one report; every method also gives what the notebook shows."""

    def __init__(self, parameters: CommonParams) -> None:
        self._parameters = parameters
        self._content: dict[str, list[dict[str, Any]]] = {"tables": [], "checks": [], "findings": [], "figures": []}
        self._key_numbers: dict[str, int] = {}
        self._inputs: list[dict[str, Any]] = []
        self._pictures: dict[str, bytes] = {}

    def cohort(self, cohort: Any, /, **key_numbers: int) -> None:
        """Note which extracts were reported on, and the numbers an index shows first."""
        self._key_numbers = {name: int(value) for name, value in key_numbers.items()}
        self._inputs = [
            {"node": info.node, "dataset_id": info.dataset_id, "digest": info.digest}
            for info in sorted(cohort.extracts, key=lambda info: (info.node, info.dataset_id, info.digest))
        ]

    def table(
        self,
        name: str,
        frame: pd.DataFrame,
        *,
        caption: str,
        units: Mapping[str, str] | None = None,
        patients: str = "",
        shown: pd.DataFrame | None = None,
        group: str = "",
    ) -> Html:
        """Record a table and give it as HTML.

        Parameters
        ----------
        name : str
            Name in results.json, unique in the report.
        frame : pandas.DataFrame
            The numbers, typed.
        caption : str
            What the table shows.
        units : mapping of str to str
            Column name to unit (UCUM).
        patients : str
            Column that holds the number of distinct patients behind each row, where there is one.
        shown : pandas.DataFrame
            What to show instead of *frame*, where words read better than numbers.
        group : str
            Column shown as heading rows.

        Raises
        ------
        UsageError
            Where the name is taken or the caption is empty.
        """
        self._new("tables", name, caption)
        units = dict(units or {})
        columns = [
            {"name": str(column), "type": _type(frame[column]), "unit": units.get(str(column), "")}
            for column in frame.columns
        ]
        rows = [
            [_value(value, column["type"]) for value, column in zip(row, columns, strict=True)]
            for row in frame.itertuples(index=False, name=None)
        ]
        self._content["tables"].append(
            {"name": name, "caption": caption, "columns": columns, "rows": rows, "patients": patients}
        )
        return table(
            frame if shown is None else shown, caption=caption, units=units if shown is None else None, group=group
        )

    def figure(self, name: str, drawn: Figure, *, alt: str, caption: str, kind: str = "svg") -> Html:
        """Record a figure, keep its picture for ``figures/``, and give it as HTML.

        Raises
        ------
        UsageError
            Where the name is taken, or alternative text or caption is empty.
        """
        from workbench.reports.figures import picture, rendered

        self._new("figures", name, caption)
        content = rendered(drawn, kind=kind)
        shown = picture(content, alt=alt, caption=caption, kind=kind)
        self._pictures[f"{name}.{kind}"] = content
        self._content["figures"].append(
            {"name": name, "file": f"figures/{name}.{kind}", "alt": alt, "caption": caption}
        )
        return shown

    def check(
        self, check_id: str, *, category: str, numerator: int, denominator: int, threshold: float, note: str
    ) -> str:
        """Record a check and give its status.

        Parameters
        ----------
        check_id : str
            Stable id.
        category : {"conformance", "completeness", "plausibility"}
            What kind of check it is.
        numerator, denominator : int
            How many fulfil it, of how many it was asked.
        threshold : float
            Least share that must fulfil it, 0 to 1.
        note : str
            What was counted, in words.

        Returns
        -------
        str
            ``pass``: all do; ``pass-with-rows``: enough do; ``fail``: too few; ``n.a.``: nothing to ask.
        """
        if denominator == 0:
            status = "n.a."
        elif numerator == denominator:
            status = "pass"
        else:
            status = "pass-with-rows" if numerator / denominator >= threshold else "fail"
        self._content["checks"].append(
            {
                "id": check_id,
                "category": category,
                "numerator": int(numerator),
                "denominator": int(denominator),
                "threshold": float(threshold),
                "status": status,
                "note": note,
            }
        )
        return status

    def checks(self) -> Html:
        """Every check recorded so far, as a table."""
        import pandas as pd

        rows = [
            {
                "Check": item["note"],
                "Category": item["category"],
                "Fulfilled": f"{item['numerator']:,} of {item['denominator']:,}",
                "At least": f"{item['threshold']:.0%}",
                "Status": item["status"],
            }
            for item in self._content["checks"]
        ]
        frame = pd.DataFrame(rows, columns=["Check", "Category", "Fulfilled", "At least", "Status"])
        shown = table(frame, caption="Checks. n.a.: nothing to ask; such checks are in no rate.").text
        for status in CHECK_STATUSES:
            css = status.replace(".", "")
            shown = shown.replace(f"<td>{status}</td>", f'<td><span class="wb-status wb-{css}">{status}</span></td>')
        return Html(shown)

    def finding(
        self, code: str, *, severity: str, title: str, node: str = "", count: int = 1, where: str = "", remedy: str = ""
    ) -> None:
        """Record a finding, most serious first by order of calls."""
        self._content["findings"].append(
            {
                "code": code,
                "severity": severity,
                "title": title,
                "node": node,
                "count": int(count),
                "where": where,
                "remedy": remedy,
            }
        )

    def findings(self, limit: int = 5) -> Html:
        """The first findings recorded, as a short list; a kind word where there is none."""
        if not self._content["findings"]:
            return Html('<div class="wb-look"><p>Nothing was noticed that needs a look.</p></div>')
        items = []
        for item in self._content["findings"][:limit]:
            where = f"<span>{_plain(item['where'])}</span>" if item["where"] else ""
            remedy = f"<em>{_plain(item['remedy'])}</em>" if item["remedy"] else ""
            node = f" · {_plain(item['node'])}" if item["node"] else ""
            items.append(
                f'<li class="wb-{item["severity"]}"><b>{_WORDS[item["severity"]]}{node}</b> '
                f"<strong>{_plain(item['title'])}</strong> ({item['count']:,}) {where} {remedy}</li>"
            )
        more = len(self._content["findings"]) - limit
        rest = f"<p>{more} more below, under Findings and Missing values.</p>" if more > 0 else ""
        return Html(f'<div class="wb-look"><ol>{"".join(items)}</ol>{rest}</div>')

    def save(self) -> Path:
        """Write ``results.json`` and ``figures/`` into WORKBENCH_RESULTS or the working directory; its path.

        Raises
        ------
        WriteError
            Where they cannot be written.
        """
        folder = Path(os.environ.get("WORKBENCH_RESULTS") or Path.cwd())
        path = folder / "results.json"
        for name, content in self._pictures.items():
            with aside(folder / "figures" / name) as place:
                place.write_bytes(content)
        asked = json_safe(self._parameters)
        write_json(
            path,
            {
                "schema": SCHEMA,
                "template": self._parameters.template_id,
                "workbench": workbench.__version__,
                "parameters": {name: value for name, value in asked.items() if name not in PLACES},
                "inputs": self._inputs,
                "key_numbers": self._key_numbers,
                **self._content,
            },
        )
        return path

    def _new(self, kind: str, name: str, caption: str) -> None:
        if not caption.strip():
            raise UsageError(f"{kind[:-1]} {name!r} needs a caption")
        if any(item["name"] == name for item in self._content[kind]):
            raise UsageError(f"{kind[:-1]} {name!r} was recorded already")


def _plain(value: object) -> str:
    import html

    return html.escape(str(value))


def _type(column: Any) -> str:
    kind = column.dtype.kind
    if kind == "b":
        return "boolean"
    if kind in "iu":
        return "integer"
    if kind == "f":
        return "number"
    return "date" if kind == "M" else "text"


def _value(value: Any, kind: Any) -> Any:
    if value is None or value != value or str(value) in ("<NA>", "NaT"):
        return None
    if kind == "boolean":
        return bool(value)
    if kind == "integer":
        return int(value)
    if kind == "number":
        return float(value)
    return value.isoformat() if kind == "date" else str(value)
