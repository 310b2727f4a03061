"""How spellings are compared, and the three spellings of a code brought to one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Letters that Unicode does not take apart into a letter and an accent.
_LETTERS: Final = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "μ": "u", "µ": "u"})
#: What stands in front of a bare code. EUCAIM Explorer, old and new; the hyper-ontology's IRI; usual notations.
_PREFIXES: Final = (
    "https://cancerimage.eu/ontology/eucaim#", "http://cancerimage.eu/ontology/eucaim#",
    "eucaim_hyper-ontology_v1.0.", "eucaim:", "http://snomed.info/id/", "snomedct:", "snomedct", "snomed:", "sct:",
    "https://loinc.org/", "http://loinc.org/", "loinc:", "http://radlex.org/rid/", "radlex:",
)  # fmt: skip
_BLANKS: Final = re.compile(r"\s+")
_NOT_NAME: Final = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Text without case, accents and outer blanks, inner blanks single: spellings are compared so.

    Examples
    --------
    >>> fold(" Próstata  izq. ")
    'prostata izq.'
    """
    plain = unicodedata.normalize("NFKD", text.strip().casefold().translate(_LETTERS))
    return _BLANKS.sub(" ", "".join(char for char in plain if not unicodedata.combining(char)))


def fold_name(text: str) -> str:
    """Name of a variable without case, accents and punctuation, words parted by one underscore.

    Examples
    --------
    >>> fold_name("consom.éthylique"), fold_name("date d'origine")
    ('consom_ethylique', 'date_d_origine')
    """
    return _NOT_NAME.sub("_", fold(text)).strip("_")


def bare(code: str) -> str:
    """Code without what its spelling puts in front: Explorer old and new, hyper-ontology IRI, bare.

    Examples
    --------
    >>> bare("SNOMEDCT248153007"), bare("EUCAIM_Hyper-Ontology_V1.0.COM1001366"), bare("COM1001366")
    ('248153007', 'COM1001366', 'COM1001366')
    """
    text = code.strip()
    lower = text.casefold()
    for prefix in _PREFIXES:
        if lower.startswith(prefix) and len(text) > len(prefix):
            return text[len(prefix) :].strip()
    return text
