"""Remission of 42 children with acute leukaemia, in weeks, 6-mercaptopurine against placebo.

Freireich et al. 1963 (Blood 21: 699-716), as printed by Cox 1972 (J R Stat Soc B 34: 187-220), table 1.
"""

from __future__ import annotations

import pandas as pd

PLACEBO = (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)
#: Weeks to the relapse, and of those still in remission.
TREATED, IN_REMISSION = (6, 6, 6, 7, 10, 13, 16, 22, 23), (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)


def remission() -> pd.DataFrame:
    """Columns ``patient_id``, ``weeks``, ``relapse``, ``arm``."""
    weeks = [*PLACEBO, *TREATED, *IN_REMISSION]
    relapse = [True] * (len(PLACEBO) + len(TREATED)) + [False] * len(IN_REMISSION)
    arm = ["placebo"] * len(PLACEBO) + ["6-MP"] * (len(TREATED) + len(IN_REMISSION))
    numbers = [f"P{number}" for number in range(len(weeks))]
    return pd.DataFrame({"patient_id": numbers, "weeks": weeks, "relapse": relapse, "arm": arm})
