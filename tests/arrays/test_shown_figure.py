from __future__ import annotations

from typing import Any

from workbench.arrays.shown_figure import shown_figure


def test_figure_shows_itself_as_a_picture() -> None:
    figure: Any = shown_figure(figsize=(2, 1), facecolor="white")
    figure.add_subplot()
    assert figure._repr_png_().startswith(b"\x89PNG")
