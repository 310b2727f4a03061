"""What a cohort is asked: how it came about, who has what, samples, splits, sets, and one patient's time."""
