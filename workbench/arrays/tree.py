"""Series Datasets -> one DataTree; a node's Dataset is made when it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import xarray as xr

#: What a node of a DataTree holds of its Dataset.
_HELD: Final = (
    "_data_variables", "_node_coord_variables", "_node_dims", "_node_indexes", "_attrs", "_encoding", "_close",
)  # fmt: skip


class SeriesNode(xr.DataTree):  # type: ignore[no-untyped-call]
    """A node whose Dataset is opened on first use, so that a tree of thousands of series costs next to nothing.

    What a node holds stands in slots; while they are empty, Python asks ``__getattr__``, which fills them.
    """

    __slots__ = ("_opener",)

    def __getattr__(self, name: str) -> Any:
        if name not in _HELD:
            return super().__getattr__(name)
        # AttributeError where there is nothing to open: the slot is empty for another reason.
        opener: Callable[[], xr.Dataset] = object.__getattribute__(self, "_opener")
        self._set_node_data(opener())
        return object.__getattribute__(self, name)

    def postpone(self, opener: Callable[[], xr.Dataset]) -> None:
        """Forget the Dataset; *opener* gives it when it is wanted."""
        object.__setattr__(self, "_opener", opener)
        for name in _HELD:
            object.__delattr__(self, name)


def lazy_tree(openers: Mapping[str, Callable[[], xr.Dataset]], *, not_loaded: Sequence[str] = ()) -> xr.DataTree:
    """DataTree of series by path, each opened when its node is looked at.

    Parameters
    ----------
    openers : mapping
        Path, for example ``/node/patient/study/series``, -> what gives the Dataset.
    not_loaded : sequence of str
        Series that cannot be opened, with the reason: an attribute of the root.

    Examples
    --------
    >>> tree = lazy_tree({"/north/P1": lambda: xr.Dataset({"image": ("x", [1, 2])})})
    >>> tree["/north/P1/image"].sizes["x"]
    2
    """
    root = xr.DataTree(xr.Dataset(attrs={"not_loaded": list(not_loaded)}))
    for path, opener in openers.items():
        root[path] = SeriesNode()
        node = root[path]
        assert isinstance(node, SeriesNode)
        node.postpone(opener)
    return root


def tree_groups(datasets: Mapping[str, xr.Dataset], *, not_loaded: Sequence[str]) -> dict[str, xr.Dataset]:
    """Datasets by tree path with a root that names what could not be loaded.

    Parents hold no dimension and no coordinate, so that siblings never have to be aligned.
    """
    return {"/": xr.Dataset(attrs={"not_loaded": list(not_loaded)}), **datasets}
