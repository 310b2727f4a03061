from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from workbench.errors import ReportError, TemplateNotFound
from workbench.reports import templates
from workbench.reports.parameters import json_safe
from workbench.reports.templates import find_template, list_templates, parameters_cell, sync


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the first template, as the only one."""
    folder = tmp_path / "templates" / "01-cohort-profile"
    shutil.copytree(find_template("cohort-profile").folder, folder)
    monkeypatch.setattr(templates, "templates_root", lambda: tmp_path / "templates")
    return folder


def cells(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((folder / "report.ipynb").read_text())["cells"]
    return found


@pytest.mark.parametrize("template", list_templates(), ids=lambda template: template.id)
def test_parameters_cell_has_not_drifted(template: templates.Template) -> None:
    tagged = [cell for cell in cells(template.folder) if "parameters" in cell["metadata"].get("tags", [])]  # type: ignore[attr-defined]
    assert len(tagged) == 1
    assert "".join(tagged[0]["source"]) == parameters_cell(template.model())  # type: ignore[arg-type]


@pytest.mark.parametrize("template", list_templates(), ids=lambda template: template.id)
def test_papermill_sees_every_parameter_of_the_cell(template: templates.Template) -> None:
    import papermill

    seen = papermill.inspect_notebook(str(template.notebook))
    assert list(seen) == list(template.model().model_fields)
    assert all(item["help"] for item in seen.values())


@pytest.mark.parametrize("template", list_templates(), ids=lambda template: template.id)
def test_defaults_of_the_cell_are_the_models(template: templates.Template) -> None:
    namespace: dict[str, object] = {}
    exec(parameters_cell(template.model()), namespace)
    defaults = json_safe(template.model()(extract=[Path("/")]))
    assert {name: namespace[name] for name in defaults} == defaults | {"extract": []}


@pytest.mark.parametrize("template", list_templates(), ids=lambda template: template.id)
def test_notebook_is_committed_without_outputs_and_with_short_cells(template: templates.Template) -> None:
    for cell in cells(template.folder):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            assert len(cell["source"]) <= 25  # type: ignore[arg-type]


@pytest.mark.parametrize("template", list_templates(), ids=lambda template: template.id)
def test_every_declared_section_is_a_heading_in_order(template: templates.Template) -> None:
    text = "\n".join("".join(cell["source"]) for cell in cells(template.folder) if cell["cell_type"] == "markdown")  # type: ignore[arg-type]
    assert tuple(line[3:] for line in text.splitlines() if line.startswith("## ")) == template.sections


def test_unknown_template_names_the_closest() -> None:
    with pytest.raises(TemplateNotFound, match="did you mean cohort-profile") as caught:
        find_template("cohort-profil")
    assert caught.value.exit_code == 2


def test_sync_mends_a_drifted_cell_once(copied: Path) -> None:
    before = (copied / "report.ipynb").read_text()
    drifted = before.replace("max_categories = 12", "max_categories = 13")
    assert drifted != before
    (copied / "report.ipynb").write_text(drifted)
    assert sync("cohort-profile") is True
    assert (copied / "report.ipynb").read_text() == before
    assert sync("cohort-profile") is False


def test_digest_follows_source_and_helpers_but_not_outputs(copied: Path) -> None:
    first = find_template("cohort-profile").digest()
    notebook = json.loads((copied / "report.ipynb").read_text())
    notebook["cells"][2]["execution_count"] = 7
    notebook["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["x"]}]
    notebook["cells"][2]["id"] = "another"
    (copied / "report.ipynb").write_text(json.dumps(notebook))
    assert find_template("cohort-profile").digest() == first
    (copied / "helper.py").write_text("a = 1\n")
    second = find_template("cohort-profile").digest()
    assert second != first
    notebook["cells"][2]["source"] = ["x = 1"]
    (copied / "report.ipynb").write_text(json.dumps(notebook))
    assert find_template("cohort-profile").digest() not in (first, second)


def test_broken_declaration_is_a_typed_error(copied: Path) -> None:
    (copied / "template.yaml").write_text("title: [")
    with pytest.raises(ReportError, match=r"template\.yaml"):
        list_templates()
