"""Images of one layout and tables of another as one extract: the common data model lists no image."""

from __future__ import annotations

from dataclasses import replace

from workbench.extracts.record import Extract

#: Key of ``declared`` that names the layout of the images, where the extract's own is that of its tables.
IMAGES = "images_layout"
#: Key of ``declared`` that names the layout of the tables, where the extract's own is that of its images.
TABLES = "clinical_layout"


def images_layout(extract: Extract) -> str:
    """Layout that an extract's images lie in."""
    return str(extract.declared.get(IMAGES, extract.layout))


def tables_layout(extract: Extract) -> str:
    """Layout of an extract's tables."""
    return str(extract.declared.get(TABLES, extract.layout))


def with_images(tables: Extract, images: Extract) -> Extract:
    """An extract of tables, its images listed by another layout in the same folder.

    Parameters
    ----------
    tables : Extract
        Without series.
    images : Extract
        Its own clinical values, if it has any, stay beside those of the tables.
    """
    both = with_tables(images, tables)
    declared = {key: value for key, value in both.declared.items() if key != TABLES}
    return replace(
        both,
        layout=tables.layout,
        dataset_id=tables.dataset_id,
        declared={**declared, IMAGES: images.layout},
    )


def with_tables(images: Extract, tables: Extract) -> Extract:
    """An extract of images, with the clinical values and studies of another layout beside its own.

    Parameters
    ----------
    images : Extract
        The listing; its root stays the root.
    tables : Extract
        Paths told relative to that root.
    """
    return replace(
        images,
        allowed_roots=tuple(dict.fromkeys((*images.allowed_roots, *tables.allowed_roots))),
        clinical=images.clinical + tables.clinical,
        studies=(*images.studies, *tables.studies),
        tables=tuple(dict.fromkeys((*images.tables, *tables.tables))),
        declared={**tables.declared, **images.declared, TABLES: tables.layout},
        findings=tuple(dict.fromkeys((*images.findings, *tables.findings))),
    )
