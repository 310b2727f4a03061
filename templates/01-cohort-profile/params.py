"""Parameters of the cohort profile."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workbench.reports import CommonParams


class Params(CommonParams):
    """What a cohort profile can be asked."""

    template_id: ClassVar[str] = "cohort-profile"

    group_by: Literal["node", "sex"] = Field(default="node", description="columns of Table 1: node or sex")
    variables: list[str] | None = Field(
        default=None, min_length=1, description="only these clinical variables; None takes all"
    )
    max_categories: int = Field(
        default=12, ge=2, le=50, description="categories of a variable shown at most, the rarest are pooled"
    )
