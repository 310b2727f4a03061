"""Bring a selection from an archive into an extract folder, whole and verified.

>>> from workbench import fetch
>>> fetch.Query.of(["Modality=CT"]).series
{'Modality': 'CT'}
"""

from __future__ import annotations

from workbench.fetch.pull import Fetched, dicomweb, selection
from workbench.fetch.query import Query

__all__ = ["Fetched", "Query", "dicomweb", "selection"]
