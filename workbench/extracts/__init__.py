"""Extracts: one read-only adapter per on-disk layout, every adapter yields the same small record.

Nothing here decodes pixels, opens an image while listing, writes, or follows a path out of the allowed roots.

>>> from workbench import extracts
>>> sorted(extracts.LAYOUTS)
['cdm', 'dataset-service', 'datmat', 'idc', 'medical-folder', 'plain']
"""

from __future__ import annotations

from workbench.extracts.opening import LAYOUTS, LINKED_LAYOUTS, detect, open_extract
from workbench.extracts.record import ClinicalRow, Extract, SeriesRef

__all__ = ["LAYOUTS", "LINKED_LAYOUTS", "ClinicalRow", "Extract", "SeriesRef", "detect", "open_extract"]
