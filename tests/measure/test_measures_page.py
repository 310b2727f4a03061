"""docs/measures.md names every feature with its tag, and every group."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.measure.definitions import FAMILIES, TEXTURES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "measures.md").read_text("utf-8")


def test_the_page_lists_every_feature_with_its_group_and_tag() -> None:
    listed = re.findall(r"^\| (\w+) \| `(\w+)` \| (?:`(\w+)`|–) \|", PAGE, re.M)
    families = [family for family in FAMILIES if family != "volume"]
    assert listed == [(family, d.name, d.ibsi) for family in families for d in FAMILIES[family]]


def test_the_page_names_every_group() -> None:
    (groups,) = re.findall(r"\| group \| what \|\n((?:\|.*\n)+)", PAGE)
    named = {name for line in groups.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert named == {*FAMILIES, *TEXTURES, "texture"}
