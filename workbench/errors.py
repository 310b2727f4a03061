"""One tree of errors.

An error is for a caller's mistake, unsafe input or an operation that cannot be right. What is merely
irregular in the data is a :class:`workbench.findings.Finding`, and the data still opens.
"""

from __future__ import annotations

from typing import ClassVar


class WorkbenchError(Exception):
    """Root of every error the workbench raises on purpose.

    Parameters
    ----------
    what : str
        What happened, without personal values.
    file : str, optional
        The file or folder it happened to, relative to the extract where there is one.
    series : str, optional
        SeriesInstanceUID concerned.
    tag : str, optional
        DICOM keyword concerned.
    remedy : str, optional
        What to do about it.

    Examples
    --------
    >>> str(WorkbenchError("no DICOM file found", file="node-a", remedy="check the path"))
    'no DICOM file found [node-a]. check the path'
    """

    #: What a command line that ends with this error returns.
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        *,
        file: str | None = None,
        series: str | None = None,
        tag: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what = what
        self.file = file
        self.series = series
        self.tag = tag
        self.remedy = remedy
        place = f" [{file}]" if file else ""
        advice = f". {remedy}" if remedy else ""
        super().__init__(f"{what}{place}{advice}")


class UsageError(WorkbenchError):
    """A path, option or parameter that cannot be used as given."""

    exit_code = 2


class PathNotFound(UsageError):
    """A path that does not exist."""


class ParameterError(UsageError):
    """Parameters of a report that do not fit its model; ``problems`` lists every one of them."""

    def __init__(self, what: str, *, problems: tuple[object, ...] = (), remedy: str | None = None) -> None:
        self.problems = problems
        super().__init__(what, remedy=remedy)


class QueryError(UsageError):
    """A condition or SQL text that the cohort's tables cannot answer."""


class MissingExtra(UsageError):
    """A feature that needs an optional dependency; names the extra to install."""


class ExtractError(WorkbenchError):
    """An extract that cannot be opened at all."""


class LockError(WorkbenchError):
    """Extracts that are no longer what a lock file was written from; ``changes`` lists what differs, by node.

    Also a lock file that is none, or is no longer as it was written; then ``changes`` is empty.
    """

    def __init__(
        self, what: str, *, changes: tuple[object, ...] = (), file: str | None = None, remedy: str | None = None
    ) -> None:
        self.changes = changes
        super().__init__(what, file=file, remedy=remedy)


class EmptyExtract(ExtractError):
    """A folder in which no layout is recognised or no DICOM file is found."""


class UnsafePath(ExtractError):
    """A path inside an extract that leaves the allowed roots."""


class EntryFileError(ExtractError):
    """An extract's entry file (index.json, manifest) that cannot be read."""


class DicomError(WorkbenchError):
    """A DICOM object that cannot be used for what was asked."""


class TruncatedFile(DicomError):
    """Fewer bytes in the file than its header declares."""


class ChangedFile(DicomError):
    """A file that changed after it was indexed."""


class UnsupportedSyntax(DicomError):
    """A transfer syntax, or an encoding within it, that cannot be decoded here."""


class NiftiError(DicomError):
    """A NIfTI image that cannot be used for what was asked."""


class OutsideImage(UsageError):
    """A place in the patient that no voxel of the image holds."""


class SeriesNotFound(UsageError):
    """A SeriesInstanceUID, or a part of a series, that is not among the data at hand."""


class AmbiguousSeries(UsageError):
    """More than one series or part where one was asked for."""


class IrregularGeometry(DicomError):
    """An operation that needs an even grid, on data that has none; names the finding."""


class GridMismatch(DicomError):
    """Two images whose voxels, or whose frames of reference, are not the same."""


class SuvUnavailable(DicomError):
    """Headers that do not allow an honest standardised uptake value; ``missing`` names the tags."""

    def __init__(
        self,
        what: str,
        *,
        missing: tuple[str, ...] = (),
        file: str | None = None,
        series: str | None = None,
        tag: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.missing = missing
        super().__init__(what, file=file, series=series, tag=tag, remedy=remedy)


class UnstackableSeries(DicomError):
    """Images that cannot be told apart or put in order (same place, no key that separates them)."""


class LabelError(WorkbenchError):
    """A segmentation, structure set or mask that cannot be brought onto an image."""


class FetchError(WorkbenchError):
    """A server that does not answer, refuses, or sends what is not whole; holds nothing of what was asked."""


class ReportError(WorkbenchError):
    """A report that could not be made."""


class TemplateNotFound(UsageError):
    """A report template id that is not known."""


class WriteError(WorkbenchError):
    """Output that could not be written whole; nothing half-written was left under its final name."""


class DamagedStore(WorkbenchError):
    """A store of images in which files or bytes were lost; writing it again mends what is damaged."""


class NotMeasurable(WorkbenchError):
    """Data that do not allow what was asked of them: constant, empty, too few."""


class ToolError(WorkbenchError):
    """Another program, which was asked to do a part, failed."""
