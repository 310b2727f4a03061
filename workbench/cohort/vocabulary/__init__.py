"""The clinical language: variables, their codes in every spelling, words in eight languages, known conflicts.

>>> import workbench as wb
>>> wb.vocabulary.variable("psa").unit
'ng/mL'
"""

from __future__ import annotations

from workbench.cohort.vocabulary.searching import codes, conflicts, search, variable
from workbench.cohort.vocabulary.tables import Variable, variables

__all__ = ["Variable", "codes", "conflicts", "search", "variable", "variables"]
