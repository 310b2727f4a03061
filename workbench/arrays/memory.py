"""Whether an array fits into this machine, asked before it is allocated."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable


def machine_memory() -> float:
    """Bytes of memory of this machine; infinite where it does not say.

    Examples
    --------
    >>> machine_memory() > 0
    True
    """
    if not hasattr(os, "sysconf"):
        return math.inf
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def beyond_memory(sizes: Iterable[float], itemsize: float) -> str | None:
    """What an array of *sizes* takes and what there is, in words; None where it fits.

    Parameters
    ----------
    sizes : iterable of number
        Length of each axis; may be infinite.
    itemsize : number
        Bytes of each value.

    Examples
    --------
    >>> beyond_memory((512, 512, 300), 2) is None
    True
    >>> beyond_memory((1e6, 1e6, 1e6), 4)
    '4000000000 GB, this machine has ... GB of memory'
    """
    needed, memory = math.prod(map(float, sizes)) * itemsize, machine_memory()
    # A comparison with an infinity times nothing is never true.
    if not needed > memory:
        return None
    return f"{needed / 1e9:.{'0f' if needed < 1e20 else '0e'}} GB, this machine has {memory / 1e9:.0f} GB of memory"
