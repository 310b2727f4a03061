"""What there is to measure in a cohort: image series with masks, and the digests that tell them apart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workbench.cohort import Cohort


@dataclass(frozen=True, slots=True)
class Case:
    """One part of an image series that has masks."""

    node: str
    patient_id: str
    #: Timepoint of its study within the patient.
    timepoint: str
    series_uid: str
    modality: str
    #: Part of a series that was split; 1 is the largest.
    part: int
    #: Findings code of the part's geometry: ``regular``, ``gaps``, ...
    geometry: str
    #: SHA-256 over the instances of the series: UIDs, sizes, header digests, lengths of the pixels.
    image_digest: str
    #: The same over the segmentations and structure sets that refer to it, and the NIfTI masks beside it.
    mask_digest: str

    @property
    def key(self) -> str:
        """Name of its result: other data give another one."""
        text = "\0".join((self.node, self.series_uid, str(self.part), self.image_digest, self.mask_digest))
        return hashlib.sha256(text.encode()).hexdigest()[:40]


#: Digests cover what the header table knows; pixels are not read for them.
_CASES: Final = """
with facts as (
    select node, SeriesInstanceUID, referenced_series, kind,
        concat_ws('|', SOPInstanceUID, size, header_digest, pixel_length) as fact
    from instances),
images as (
    select node, SeriesInstanceUID, sha256(string_agg(fact, chr(10) order by fact)) as image_digest
    from facts group by all),
drawn as (
    select node, unnest(referenced_series) as uid, fact
    from facts where kind in ('segmentation', 'structure-set')),
masks as (
    select node, uid, sha256(string_agg(distinct fact, chr(10) order by fact)) as mask_digest
    from drawn group by all)
select s.node, s.patient_id, s.timepoint, s.SeriesInstanceUID, coalesce(s.Modality, ''), p.part, p.geometry,
    i.image_digest, m.mask_digest, s.path
from series s
join parts p using (node, SeriesInstanceUID)
left join images i using (node, SeriesInstanceUID)
left join masks m on m.node = s.node and m.uid = s.SeriesInstanceUID
where s.kind = 'image'
order by s.node, s.patient_id, s.timepoint, s.SeriesInstanceUID, p.part
"""


def cases(cohort: Cohort) -> list[Case]:
    """Parts of image series that have masks, in the order of node, patient, timepoint and series."""
    found = []
    for row in cohort.sql(_CASES).itertuples(index=False, name=None):
        node, patient, timepoint, uid, modality, part, geometry, image, mask, path = row
        beside = [(file.name, file.indexed) for file in cohort.nifti_masks(uid, node=node)]
        if not isinstance(image, str):
            # A NIfTI image has no header row: its file tells which one it is.
            image = hashlib.sha256(repr(_file_of(cohort, node, path)).encode()).hexdigest()
        if beside:
            mask = hashlib.sha256(repr((mask, beside)).encode()).hexdigest()
        if isinstance(mask, str):
            found.append(Case(node, patient, timepoint or "", uid, modality, int(part), geometry or "", image, mask))
    return found


def _file_of(cohort: Cohort, node: str, path: str) -> list[tuple[str, int, int]]:
    """Path, bytes and time of change of the file that a NIfTI series is."""
    files = [extract.root / path for extract in cohort.extracts if extract.node == node]
    return [(path, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
