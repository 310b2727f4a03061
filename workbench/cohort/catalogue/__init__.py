"""What the federation holds: the extracts at hand and the public Imaging Data Commons, in one table of series.

And what of a dataset's record in a catalogue of datasets a cohort tells: :func:`describe`.

>>> from workbench.cohort import catalogue
>>> catalogue.maker("GE MEDICAL SYSTEMS"), catalogue.maker("Siemens HealthCare GmbH")
('General Electric', 'Siemens')
"""

from __future__ import annotations

from workbench.cohort.catalogue.archive import idc
from workbench.cohort.catalogue.catalogue import Catalogue
from workbench.cohort.catalogue.described import Described
from workbench.cohort.catalogue.describing import describe
from workbench.cohort.catalogue.local import extracts, together
from workbench.cohort.catalogue.manifest import read_manifest
from workbench.cohort.catalogue.normalise import age, body_parts, maker, sex
from workbench.cohort.catalogue.selection import Selection

__all__ = [
    "Catalogue",
    "Described",
    "Selection",
    "age",
    "body_parts",
    "describe",
    "extracts",
    "idc",
    "maker",
    "read_manifest",
    "sex",
    "together",
]
