from __future__ import annotations

import json

import pytest

from workbench.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["vocabulary", *arguments])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def test_search_prints_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "search", "prostate")
    assert code == 0
    assert out.splitlines()[0].split()[0] == "kind"
    _, out, _ = run(capsys, "search", "399068003", "--json")
    assert json.loads(out)[0]["value"] == "prostate cancer"


def test_show_tells_meaning_codes_values_and_conflicts(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "show", "pirads")
    assert "IMG1005457" in out
    assert "one key for two questions" in out
    _, out, _ = run(capsys, "show", "PatientSex", "--json")
    assert json.loads(out)["name"] == "sex"


def test_an_unknown_variable_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "show", "sexx")
    assert code == 2
    assert "did you mean" in err


def test_conflicts_of_all_or_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "conflicts", "--json")
    assert len(json.loads(out)) > 20
    _, out, _ = run(capsys, "conflicts", "psa")
    assert "two codes for one test" in out
