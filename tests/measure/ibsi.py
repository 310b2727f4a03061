"""How a value is held against the reference values of IBSI 1."""

from __future__ import annotations

import numpy as np


def assert_within(found: dict[str, float], reference: dict[str, tuple[float, float]]) -> None:
    """Every value within its tolerance; the references are given to three digits, which is the tolerance of most."""
    for tag, value in found.items():
        expected, tolerance = reference[tag]
        rounding = 0.5 * 10.0 ** (np.floor(np.log10(abs(expected))) - 2) if expected else 0.0
        assert abs(value - expected) <= max(tolerance, rounding * (1 + 1e-9)), f"{tag}: {value}, not {expected}"
