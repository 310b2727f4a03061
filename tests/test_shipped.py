from __future__ import annotations

import pytest

from workbench.errors import PathNotFound
from workbench.shipped import shipped


def test_templates_and_notebooks_are_found() -> None:
    assert (shipped("templates") / "01-cohort-profile" / "report.ipynb").is_file()
    assert (shipped("notebooks") / "01-first-look.ipynb").is_file()


def test_what_is_missing_is_an_error() -> None:
    with pytest.raises(PathNotFound):
        shipped("no-such-folder")
