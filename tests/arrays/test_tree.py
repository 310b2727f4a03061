"""A tree of many series: nothing is opened before it is looked at."""

from __future__ import annotations

import pickle

import pytest
import xarray as xr

from workbench.arrays.tree import lazy_tree
from workbench.errors import DicomError


class Opener:
    """Counts how often it was asked."""

    def __init__(self, value: int = 1) -> None:
        self.value = value
        self.asked = 0

    def __call__(self) -> xr.Dataset:
        self.asked += 1
        return xr.Dataset({"image": ("x", [self.value] * 3)}, coords={"x": [0.0, 1.0, 2.0]}, attrs={"node": "n"})


@pytest.fixture
def openers() -> dict[str, Opener]:
    return {f"/n/P{i}/S/{i}": Opener(i) for i in range(5)}


def test_a_tree_opens_only_what_is_looked_at(openers: dict[str, Opener]) -> None:
    tree = lazy_tree(openers, not_loaded=["n 1.2: why"])
    assert [node.path for node in tree.leaves] == list(openers)
    assert tree.attrs["not_loaded"] == ["n 1.2: why"]
    assert sum(opener.asked for opener in openers.values()) == 0
    assert int(tree["/n/P3/S/3/image"].sum()) == 9
    assert [opener.asked for opener in openers.values()] == [0, 0, 0, 1, 0]


def test_a_node_is_opened_once_and_is_a_node_like_any(openers: dict[str, Opener]) -> None:
    tree = lazy_tree(openers)
    node = tree["/n/P2/S/2"]
    for _ in range(3):
        assert node.to_dataset().attrs == {"node": "n"}
        assert node.sizes == {"x": 3}
        assert node.has_data
    assert openers["/n/P2/S/2"].asked == 1
    means = tree.mean()
    assert float(means["/n/P4/S/4/image"]) == 4
    assert xr.DataTree.from_dict(tree.to_dict()).equals(tree)
    assert "P0" in repr(tree)


def test_a_tree_travels_between_processes() -> None:
    tree = lazy_tree({"/a": _ones})
    assert float(pickle.loads(pickle.dumps(tree))["/a/image"].sum()) == 2


def _ones() -> xr.Dataset:
    return xr.Dataset({"image": ("x", [1.0, 1.0])})


def test_an_error_of_opening_is_told_where_the_node_is_looked_at() -> None:
    def fails() -> xr.Dataset:
        raise DicomError("file changed")

    tree = lazy_tree({"/a": fails, "/b": _ones})
    assert len(list(tree.leaves)) == 2
    with pytest.raises(DicomError, match="file changed"):
        tree["/a"].to_dataset()
    assert float(tree["/b/image"].sum()) == 2


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    tree = lazy_tree({"/b": _ones})
    with pytest.raises(AttributeError):
        _ = tree["/b"].nothing_of_the_kind
