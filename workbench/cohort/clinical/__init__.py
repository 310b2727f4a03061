"""Clinical values in one language: each decided once, by rules that are tables, with the raw value beside it."""
