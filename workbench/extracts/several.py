"""Extracts below a folder that was named as one."""

from __future__ import annotations

from workbench.extracts import dataset_service
from workbench.extracts.tree import Sample, Tree, depth


def extracts_below(tree: Tree, *, manifests: bool = True) -> tuple[str, ...]:
    """Paths of sub-folders that are extracts by their entry file, sorted; up to 200 folders on each of two levels.

    Opened as one, such a folder would show what an ``index.json`` in it did not hand over.

    Parameters
    ----------
    tree : Tree
        The folder that was named.
    manifests : bool, default True
        Whether an ``*.s5cmd`` manifest makes an extract too.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("north", "south"):
    ...     (folder / name).mkdir()
    ...     _ = (folder / name / "index.json").write_text("[]")
    >>> extracts_below(Tree(folder, (folder,)))
    ('north', 'south')
    """
    sample = Sample(tree)
    found: list[str] = []
    for path in (*sample.folders(1), *sample.folders(2)):
        if depth(path) > 1 and path.split("/")[0] in found:
            continue
        below = Sample(Tree(tree.full(path), tree.roots))
        by_manifest = manifests and any(name.endswith(".s5cmd") for name in below.root_files)
        if by_manifest or dataset_service.detect(below):
            found.append(path)
    return tuple(sorted(found))
