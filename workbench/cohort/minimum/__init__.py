"""Minimum attributes of an extract as checks: what a federation asks of every dataset, counted."""

from __future__ import annotations

from workbench.cohort.minimum.checked import Checked, CheckRow
from workbench.cohort.minimum.checking import check
from workbench.cohort.minimum.profile import PROFILES, Check, checks

__all__ = ["PROFILES", "Check", "CheckRow", "Checked", "check", "checks"]
