"""Who is the same person, and which images stand in a cohort twice."""
