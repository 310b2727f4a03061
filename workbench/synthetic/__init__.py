"""A make-believe federation with planted truths and planted faults, for the demo, the tests and the lessons.

>>> from workbench import synthetic
>>> "missing-slice" in synthetic.FAULTS
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.synthetic.faults import DEFAULT_FAULTS, FAULTS, Fault
    from workbench.synthetic.federation import write_federation

__all__ = ["DEFAULT_FAULTS", "FAULTS", "Fault", "write_federation"]

#: Public name -> the module that holds it.
_LAZY = {
    "DEFAULT_FAULTS": "workbench.synthetic.faults",
    "FAULTS": "workbench.synthetic.faults",
    "Fault": "workbench.synthetic.faults",
    "write_federation": "workbench.synthetic.federation",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'workbench.synthetic' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
