"""Findings: what is irregular in the data, as values.

A finding never stops the data from opening. Its code is stable; severity and remedy stand in one table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["serious", "attention", "note"]


@dataclass(frozen=True, slots=True)
class Code:
    """What one finding code means."""

    #: ``serious``: numbers may be wrong or something cannot be loaded; ``attention``: look at it; ``note``: good to know.
    severity: Severity
    #: One line: what was noticed.
    title: str
    #: One line: what to do.
    remedy: str


def _table(text: str) -> dict[str, Code]:
    rows: dict[str, Code] = {}
    for line in text.strip().splitlines():
        code, severity, title, remedy = (cell.strip() for cell in line.split("|"))
        if code in rows or severity not in ("serious", "attention", "note"):
            raise ValueError(f"finding table: {line}")
        rows[code] = Code(severity, title, remedy)  # type: ignore[arg-type]
    return rows


#: Every finding code of the package: severity, title, remedy.
CODES: Final[dict[str, Code]] = _table(
    """
file-unreadable             | serious   | file could not be read                                        | check permissions and the disk, then open again
file-not-dicom              | attention | file is named like DICOM but is not                           | remove it or ask the node for the right file
file-truncated              | serious   | file is cut off                                               | ask the node for the file again; the rest of the series is usable
header-unreadable           | serious   | DICOM header could not be read                                | ask the node for the file again
identity-missing            | attention | DICOM object without series or instance UID                   | ask the node to export the object again
link-outside                | serious   | link leaves the allowed roots and was not followed            | name the target with link_roots=... (--link-root) if it belongs to the extract
folder-too-deep             | attention | folders nested too deeply were not looked into                | open a deeper folder
link-dangling               | attention | link points to nothing                                        | mount the folder it points to, then open again
duplicate-instance          | note      | the same instance is stored more than once                    | nothing: one copy is used
conflicting-instance        | serious   | two different files carry the same SOPInstanceUID             | keep the right one; loading this series is refused until then
syntax-not-decodable        | serious   | pixels are in an encoding that cannot be decoded here         | leave the series out, or ask the node for another one
bits-contradictory          | attention | more bits are stored in a pixel than there is room for        | all bits are taken for the number; ask the node
lossy-compression           | attention | images were compressed with loss                              | mind it in intensity measurements
several-parts               | attention | series holds images that must not be stacked                  | load one part with part=...
parts-too-many              | serious   | series falls apart into more parts than are kept             | open the files you want as a list: open_dataset([...])
slices-missing              | serious   | slices are missing                                            | ask the node; until then no volume measurements
spacing-uneven              | serious   | slices are unevenly spaced                                    | use per-slice work
slices-displaced            | serious   | slices are displaced within their planes                      | use per-slice work, or ask the node
palette-unusable            | attention | colour palette is missing or cannot be read                   | numbers are indices of colours; ask the node
gantry-tilt                 | attention | slices are sheared (gantry tilt)                              | resample to a straight grid before volume work
single-slice                | note      | one image only; its thickness is not a spacing                | 2-D work only
unplaced                    | attention | position or orientation is missing or impossible              | no millimetres through the slices
same-position               | serious   | images at the same position that no tag separates             | remove one set, or ask the node; loading is refused until then
ragged-stack                | attention | not every position has every frame of the extra dimension     | mind the NaN frames
time-order-from-instance-number | attention | frames were put in time order by InstanceNumber alone     | check the order against the protocol
frames-undeclared           | serious   | pixel data holds more frames than the header counts           | only what is counted is loaded; ask the node to export the object again
multi-frame-unplaced        | attention | multi-frame object that does not say where its frames lie     | frames are given in stored order
units-unknown               | attention | the unit of the values is not stated                          | do not compare values between series
mosaic                      | serious   | Siemens mosaic whose header does not say how to take it apart | ask the node for the private elements of group 0019
mosaic-order-assumed        | attention | slice order of a mosaic was assumed: its CSA header is gone   | check that the slices are not upside down
b-value-unknown             | attention | b-value unknown: private tags were removed                    | ask the node for the b-values
layout-forced               | attention | layout was chosen by the caller, and the folder looks like another | check that only what was handed over is counted
unreleased-series-visible   | attention | series that were not handed over are visible                  | nothing: they are not opened
series-folder-missing       | serious   | a listed series is not on disk                                | ask the node, or mount the data lake
listed-twice                | note      | the entry file lists the same folder more than once          | nothing: it is opened once
datalake-not-mounted        | serious   | link into the data lake points to nothing                     | mount the data lake, or name it with link_roots=...
licence-non-commercial      | attention | licence of the archive forbids commercial use                 | leave the series out of anything commercial
series-withdrawn            | attention | manifest names series that no release of the archive has      | they may have been withdrawn: make the manifest anew, and ask the archive before using copies
file-ignored-by-layout      | attention | files where the layout has none                              | nothing: they are not opened; move them, or force layout='plain'
scan-in-both-schemes        | note      | scan was fetched in both directory schemes                    | nothing: an instance that is there twice is used once
experiment-not-one-study    | attention | one study folder holds several studies                        | studies are told by their UID; ask the node
series-incomplete-suspected | attention | instance numbers of a series have gaps                        | fetch the series again, or ask the node how many images it has
folder-uid-mismatch         | attention | folder is named with another UID than its images have         | the images' own UID is used; ask the node
clinical-unjoinable         | serious   | rows of a table name no patient                               | give links=..., a table of identifier and patient_id; they are not loaded until then
link-proposed               | note      | identifiers of tables begin with the id of a patient          | look the links through and give them: cdm.write_proposed_links(folder, 'links.csv'), then links=...
row-conflict                | attention | one identifier has two contents                               | the later file is used; ask the node
datasets-mixed              | attention | tables hold rows of several datasets                          | ask the node for one dataset each
code-not-found              | attention | terms that the node's look-up did not find                    | they count as missing; ask the node for their codes
decimal-ceiling             | serious   | numbers at the largest value that their column holds          | they may have been larger; ask the node
column-type-unexpected      | serious   | values that are not of the type of their column               | columns may be swapped; ask the node
value-in-unit-column        | note      | number stands in the column of its unit                       | it is read as the value
study-not-in-cdm            | attention | study of the images is in no table of studies                 | it has no timepoint from there; ask the node
study-without-images        | attention | table names a study that has no images here                   | ask the node for the images
clinical-table-taken        | note      | clinical table was found by its place alone                   | name it with clinical=... if it is another
clinical-table-unclear      | attention | several clinical tables, and nothing says which is meant      | name them with clinical=...
nifti-forms-disagree        | serious   | sform and qform of a NIfTI image put its voxels in different places | find out which is right, and clear the code of the other
nifti-unreadable            | serious   | NIfTI image could not be read                                 | ask for the file again
sidecar-not-dicom-json      | attention | JSON beside a NIfTI image is not DICOM JSON                   | ask the node for the minimum attributes as DICOM JSON
modality-unknown            | attention | folder names are no DICOM modalities                          | say what they are: modalities={"T1": "MR"}
modality-missing            | note      | subject lacks a modality that others have                     | mind it when counting
ambiguous-image             | serious   | several images in one modality folder                         | keep one; none of them is opened until then
trace-differs               | serious   | bytes of a series are not those that its node reported        | ask the node which are right
trace-absent                | attention | series is not in the report of its node                       | ask the node whether it was handed over
patient-id-missing          | serious   | images name no patient                                        | ask the node which patient they belong to
patient-id-mixed            | serious   | files of one series name different patients                   | do not use the series before the node explains
study-mixed                 | attention | files of one series name different studies                    | ask the node; the first study is used
rescale-impossible          | serious   | rescale slope is zero, or no number                           | values are left as stored; ask the node
real-world-choice           | attention | several real-world value maps, or one that does not reach all values | choose one with values='real-world:LABEL'
real-world-unusable         | attention | real-world value map that does not say how to compute values  | values are left as stored or rescaled; ask the node
modality-lut-unread         | serious   | look-up table of the values could not be read                 | values are left as stored; ask the node
dose-unscaled               | serious   | dose grid without its scaling                                 | values are left as stored; ask the node
suv-type-assumed            | note      | type of SUV not stated: body weight, as the standard rules    | nothing, or ask the node
suv-injection-date          | note      | date of the injection not stated: worked out from its time    | check that the interval is plausible
suv-start-from-frames       | attention | scan start worked out from the times of the frames            | compare with the scanner's own SUV
suv-start-doubtful          | serious   | series time and frame times give different scan starts        | compare with the scanner's own SUV before use
patient-id-mismatch         | attention | patient id of header and extract differ                       | ask the node; the listing is used, of a download by template the headers
clinical-missing            | attention | patient has images but no clinical data                       | mind the missing values
imaging-missing             | attention | patient has clinical data but no images                       | mind it when counting
clinical-unreadable         | serious   | clinical table could not be read                              | see the message, mend the table, open again
clinical-encoding           | note      | clinical table is not UTF-8                                   | check accents; ask for UTF-8
clinical-dialect            | note      | clinical table does not use comma and dot                     | check that numbers were read as meant
sheet-left-out              | attention | sheet of a workbook was not loaded                            | look at it in the workbook; save it as CSV where it is needed
cell-error                  | note      | cells of a workbook without a value: errors, or formulas never calculated | open it in Excel, calculate, save
centre-unclear              | attention | patient of several centres, or of none                         | ask the node which centre the patient is of
header-rows-suspected       | attention | clinical table looks as if its header had several rows         | name their number with header=...
csv-not-anonymised-suspected| serious   | table name starts with an underscore: copied without de-identification | do not use it before the node confirms
rows-per-patient-unclear    | attention | several clinical rows for a patient and no timepoint          | name the timepoint column, or the right row
eform-shape-unknown         | attention | eForm has an unknown shape                                    | its raw content is kept; ask the node
patient-ids-alike           | attention | ids of images and of tables agree but for case, leading zeros or signs between | nothing was joined by it; spell them alike in the table, or name the column that has the ids of the images: id_column=...
id-column-guessed           | note      | patient column of the clinical table was inferred             | name it with id_column=... if it is wrong
id-column-absent            | serious   | clinical table lacks the patient column that was asked for, or told from another table | check whose its values are; leave it out, or name each extract's column: id_column={path: name}
mapping-unused              | attention | row of a mapping that no value came under                     | check the spelling of its columns; leave it out where it is for another node
day-number-suspected        | attention | dates look like day numbers of a spreadsheet                  | format the column as dates in Excel and save again; they are not read until then
variable-unmapped           | note      | clinical variable is not in the vocabulary                    | it stays in cohort.values under its own name
value-unmapped              | attention | clinical value is not in the vocabulary                       | it stays in cohort.values as it came
value-limit                 | note      | only a limit was stated (below, above)                        | the limit stands in cohort.clinical; see comparator in cohort.values
unit-unknown                | attention | unit is unknown, not one of this quantity, or needed and not stated | it stays in cohort.values as it came; name it in a mapping
units-mixed                 | note      | variable is stated in several units                           | nothing: converted row by row
date-order-contradicted     | serious   | dates that do not fit the order of day and month that a mapping states | correct the rule (dmy or mdy), or the cells; they are not read until then
date-placeholder            | attention | dates that programs write where there is none, as 9999-12-31   | nothing, they are not read; leave the cells empty
sign-unclear                | attention | minus signs that may say negative, or that nothing is known   | say what they mean in a mapping: values -=negative, or -= for missing
date-order-unclear          | attention | day and month cannot be told apart in a column                | name the order in a mapping: rule dmy or mdy
columns-swapped             | serious   | two columns hold what belongs to the other                    | ask the node; values stay as they came
schema-violation            | attention | value does not fit the schema of its variable                 | see cohort.values for its file and row
tnm-prefix                  | note      | value says clinical or pathological against its column        | counted under what the value says
birth-date-exact            | attention | birth dates more exact than a year                            | ask the node for years only: dates of birth point to persons
value-implausible           | attention | clinical value outside its plausible range                    | check the unit with the node
unit-suspected              | serious   | values of a variable look like another unit                   | check the unit with the node before pooling
value-conflict              | attention | two sources give different values                             | see cohort.values for both
timepoint-tie               | attention | studies of a patient on the same day                          | their order is by study time; without one they are one timepoint
timepoint-unordered         | attention | imaging studies without a date or offset                      | ask the node for a timepoint table
timepoint-conflict          | attention | declared timepoints that contradict each other or the dates   | what is declared is used; ask the node
timepoint-unused            | note      | timepoint table names studies that are not here               | ask the node whether images are missing
timepoint-unplaced          | note      | annotations that belong to no imaging timepoint               | they count for no case
study-date-differs          | attention | date of a study in a table differs from its headers           | the headers' date is used; ask the node which dates were altered
time-zones-differ           | attention | images and tables of a patient state different time zones     | days stand as written: mind that they may be a day off; ask the node for local days
instances-beyond-lock       | note      | instances that the lock file does not name                    | nothing: they are left out; lock anew to take them in
linkage-unused              | serious   | rows of the linkage table that name no patient here           | check case, leading zeros and signs of their ids: until then nobody is linked by them, also in a split
linkage-elsewhere           | note      | rows of the linkage table that name nodes which are not here  | check the names of the nodes, if all of them should be here
same-patient-id             | attention | the same patient id at more than one node                     | counted as different patients
instance-duplicated         | attention | the same instance at more than one node                       | counted at each node: leave one out before measuring or splitting
pixels-duplicated           | attention | the same pixels under two UIDs                                | counted as two images: leave one out before measuring or splitting
series-duplicated           | attention | the same series at more than one node                         | counted at each node
label-source-missing        | attention | segmentation refers to a series that is not here              | ask the node for the images
label-grid-differs          | serious   | segmentation is on another grid than its images               | it is not drawn
label-frame-differs         | serious   | segmentation and image have different frames of reference     | it is not drawn
label-outside               | attention | part of a segmentation lies outside the image                 | ask the node; the part inside is used
label-off-slice             | attention | contours that lie on no slice of the image                    | they are left out
label-repeated              | note      | the same contour is stored more than once                     | nothing: it is drawn once
label-near-slice            | attention | contours that lie beside a slice of the image, not on it      | they are drawn on the slice nearest to them; check what they were drawn on
label-twice                 | attention | two structure sets draw the same under the same name          | select one: select={'source_uid': ...}, or 'newest'
label-not-a-mask            | note      | contours that are points or lines                             | they are left out
label-empty                 | note      | segment without a voxel                                       | nothing
label-fractional            | note      | fractional segmentation                                       | choose a threshold yourself
label-resampled             | note      | segmentation was brought onto the image by the nearest voxel  | mind it in measurements of its edge
label-contradictory         | attention | segmentation says of itself what its frames are not           | look at what is drawn; ask the node
label-absent                | note      | no segmentation refers to the series                          | name it, or ask the node
label-not-selected          | note      | no segmentation fits what was selected                        | check select=...
label-undated               | attention | which segmentation is the newest cannot be told: no date, or the same | choose by name, algorithm or annotator
label-unreadable            | serious   | segmentation could not be read                                | ask the node for the object again
measurements-unread         | attention | numbers of a structured report that are in no template read here | look at the report itself
"""
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something irregular that was noticed.

    Examples
    --------
    >>> f = Finding("slices-missing", "2 of 120 slices missing, at 118.0 and 120.0 mm")
    >>> f.severity
    'serious'
    """

    #: Stable code, a key of :data:`CODES`.
    code: str
    #: What was noticed, here; never a personal value.
    message: str = ""
    #: Node that handed the data over.
    node: str = ""
    #: Pseudonym of the patient, where one patient is concerned.
    patient_id: str = ""
    #: Series concerned.
    series_uid: str = ""
    #: File or folder, relative to the extract.
    path: str = ""
    #: How many objects, rows or values are concerned.
    count: int = 1

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unknown finding code {self.code!r}")

    @property
    def severity(self) -> Severity:
        """How serious it is."""
        return CODES[self.code].severity

    @property
    def title(self) -> str:
        """What the code means."""
        return CODES[self.code].title

    @property
    def remedy(self) -> str:
        """What to do."""
        return CODES[self.code].remedy


def as_markdown() -> str:
    """Return the table of all codes as a page of the documentation."""
    lines = [
        "# Findings",
        "",
        "What is irregular in the data, as values: the data still opens. Made by `python -m workbench.findings`.",
        "",
        "Severity: *serious*, numbers may be wrong or something cannot be loaded; *attention*, look at it; *note*, good to",
        "know.",
        "",
        "| code | severity | what was noticed | what to do |",
        "|---|---|---|---|",
        *(f"| `{name}` | {code.severity} | {code.title} | {code.remedy} |" for name, code in sorted(CODES.items())),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
