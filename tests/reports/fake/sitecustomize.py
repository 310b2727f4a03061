"""Inside a kernel started by a test: the fake cohort stands where the real one would."""

import sys

import fake_cohort

sys.modules["workbench.cohort"] = fake_cohort
