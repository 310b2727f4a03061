"""What the federation holds: the extracts at hand and the public Imaging Data Commons, in one table of series.

>>> from workbench.cohort import catalogue
>>> catalogue.maker("GE MEDICAL SYSTEMS"), catalogue.maker("Siemens HealthCare GmbH")
('General Electric', 'Siemens')
"""

from __future__ import annotations

from workbench.cohort.catalogue.archive import idc
from workbench.cohort.catalogue.catalogue import Catalogue
from workbench.cohort.catalogue.local import extracts, together
from workbench.cohort.catalogue.manifest import read_manifest
from workbench.cohort.catalogue.normalise import age, body_parts, maker, sex
from workbench.cohort.catalogue.selection import Selection

__all__ = [
    "Catalogue",
    "Selection",
    "age",
    "body_parts",
    "extracts",
    "idc",
    "maker",
    "read_manifest",
    "sex",
    "together",
]
