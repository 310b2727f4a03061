"""Layout ``cdm``: tables of the EUCAIM common data model, as the ETL toolset writes them or as its database dumps them.

It holds no image: those come from another layout in the same folder or a second one.
"""

from __future__ import annotations

from workbench.extracts.cdm.adapter import ACCEPTS, NAME, detect, read
from workbench.extracts.cdm.links import write_proposed_links

__all__ = ["ACCEPTS", "NAME", "detect", "read", "write_proposed_links"]
