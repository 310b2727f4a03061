"""Single elements of a file's header, read when asked for: tables and facts that the header table leaves out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.dicom.headers.deflated import header_source

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset


def file_elements(path: str | os.PathLike[str], keywords: Sequence[str]) -> FileDataset:
    """Data set of those elements of a file, as far as it has them; what follows the last of them is not read.

    Elements follow each other by number (PS3.5 7.1); what makes a header long, the groups of its frames, comes late.

    Parameters
    ----------
    path : path
        The file, in any transfer syntax.
    keywords : sequence of str
        Keywords of elements at top level.

    Raises
    ------
    Exception
        Whatever pydicom raises for a file that it cannot read.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> found = file_elements(get_testdata_file("CT_small.dcm"), ["Rows", "PatientAge"])
    >>> found.Rows, found.PatientAge, "Columns" in found
    (128, '000Y', False)
    """
    from pydicom.filereader import read_partial
    from pydicom.tag import Tag

    tags = [Tag(keyword) for keyword in keywords]
    last = max(tags)

    def beyond(tag: Any, vr: Any, length: Any) -> bool:
        return bool(tag > last)

    with warnings.catch_warnings(), open(path, "rb") as file:
        warnings.simplefilter("ignore")
        return read_partial(header_source(file), beyond, force=True, specific_tags=list(tags))
