"""Frames in order: what a multi-frame object says of each, which belong together, where each goes, what is odd."""
