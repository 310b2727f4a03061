"""The images of a cohort: one series loaded, many stacked, stored, or each given to a function."""
