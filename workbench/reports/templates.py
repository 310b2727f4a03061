"""Report templates: where they are, what they declare, and their generated parameters cell."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workbench.errors import ReportError, TemplateNotFound
from workbench.reports.parameters import CommonParams, closest, plain
from workbench.shipped import shipped
from workbench.writing import write_text

_FOLDER = re.compile(r"^\d{2}-(?P<id>[a-z0-9]+(?:-[a-z0-9]+)*)$")


@dataclass(frozen=True, slots=True)
class Template:
    """One report template, as its ``template.yaml`` declares it."""

    #: Id used in code and on the command line, for example ``cohort-profile``.
    id: str
    #: Folder that holds ``report.ipynb``, ``params.py``, ``template.yaml``.
    folder: Path
    #: Title of the report.
    title: str
    #: One sentence: which question it answers.
    summary: str
    #: Sections (second-level headings) a finished report has, in order.
    sections: tuple[str, ...]
    #: Names of the tables it writes into results.json.
    tables: tuple[str, ...]
    #: Names of the figures it draws.
    figures: tuple[str, ...]
    #: Seconds one cell may take; 0 for no limit.
    cell_timeout_s: int

    @property
    def notebook(self) -> Path:
        """The template's notebook."""
        return self.folder / "report.ipynb"

    def model(self) -> type[CommonParams]:
        """The pydantic model of its parameters, loaded from ``params.py`` by path."""
        return _model(self.folder / "params.py", self.id)

    def digest(self) -> str:
        """Sha256 (64 hex) of what the report would run: cells, parameter schema, helper files; never outputs."""
        notebook = json.loads(self.notebook.read_text(encoding="utf-8"))
        cells = [
            [cell["cell_type"], "".join(cell["source"]), sorted(cell.get("metadata", {}).get("tags", []))]
            for cell in notebook["cells"]
        ]
        helpers = {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.suffix in (".py", ".yaml", ".sql", ".json", ".css")
        }
        content = {"cells": cells, "schema": self.model().model_json_schema(), "helpers": helpers}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def templates_root() -> Path:
    """The folder of templates: shipped inside the package, else the repository's own."""
    return shipped("templates")


def list_templates() -> list[Template]:
    """Every template at hand, in the order of its number.

    Examples
    --------
    >>> [template.id for template in list_templates()][0]
    'cohort-profile'
    """
    found = []
    for folder in sorted(templates_root().iterdir()):
        match = _FOLDER.match(folder.name)
        if match and (folder / "report.ipynb").is_file():
            found.append(_read(folder, match["id"]))
    return found


def find_template(template_id: str) -> Template:
    """The template with this id.

    Raises
    ------
    TemplateNotFound
        Where none has it; names the closest.

    Examples
    --------
    >>> find_template("cohort-profile").folder.name
    '01-cohort-profile'
    """
    known = {template.id: template for template in list_templates()}
    if template_id not in known:
        hint = closest(template_id, list(known)) or f"known are {', '.join(known)}"
        raise TemplateNotFound(f"no report template is called {template_id!r}", remedy=hint)
    return known[template_id]


def parameters_cell(model: type[CommonParams]) -> str:
    """Source of the cell tagged ``parameters``: one ``name = literal  # help`` line per field.

    Examples
    --------
    >>> print(parameters_cell(CommonParams).splitlines()[3])
    where = ""  # SQL condition on image series, as cohort.where takes it
    """
    lines = []
    for name, field in model.model_fields.items():
        default = [] if field.is_required() else field.get_default(call_default_factory=True)
        literal = _literal(plain(default))
        text = (field.description or "").replace("=", ":")
        line = f"{name} = {literal}  # {text}".rstrip("# ")
        lines.append(line if len(line) < 120 else f"{line[:118]}…")
    return "\n".join(lines)


def sync(template_id: str) -> bool:
    """Write the generated parameters cell into a template's notebook; True where it had drifted.

    Raises
    ------
    ReportError
        Where the notebook has no cell tagged ``parameters``.
    WriteError
        Where the notebook cannot be written.
    """
    template = find_template(template_id)
    notebook: dict[str, Any] = json.loads(template.notebook.read_text(encoding="utf-8"))
    tagged = [cell for cell in notebook["cells"] if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise ReportError("the notebook needs exactly one cell tagged 'parameters'", file=template.notebook.name)
    source = parameters_cell(template.model()).splitlines(keepends=True)
    if "".join(tagged[0]["source"]) == "".join(source):
        return False
    tagged[0]["source"] = source
    write_text(template.notebook, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return True


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _read(folder: Path, template_id: str) -> Template:
    import yaml  # type: ignore[import-untyped]

    try:
        declared = yaml.safe_load((folder / "template.yaml").read_text(encoding="utf-8"))
        return Template(
            id=template_id,
            folder=folder,
            title=str(declared["title"]),
            summary=str(declared["summary"]),
            sections=tuple(declared["sections"]),
            tables=tuple(declared["tables"]),
            figures=tuple(declared["figures"]),
            cell_timeout_s=int(declared.get("limits", {}).get("cell_timeout_s", 0)),
        )
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ReportError(
            f"template.yaml cannot be used ({type(error).__name__})", file=f"{folder.name}/template.yaml"
        ) from error


@cache
def _model(path: Path, template_id: str) -> type[CommonParams]:
    name = f"workbench_template_{template_id.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ReportError("params.py cannot be loaded", file=path.name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks annotations up by module name
    # Templates may be installed in a read-only place, and bytecode beside them would change nothing but the folder.
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
        model: type[CommonParams] = module.Params
    except (OSError, AttributeError) as error:
        raise ReportError("params.py cannot be loaded", file=path.name) from error
    finally:
        sys.dont_write_bytecode = written
    if model.template_id != template_id:
        raise ReportError(f"params.py belongs to template {model.template_id!r}", file=path.name)
    return model
