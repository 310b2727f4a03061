"""Stored numbers -> quantities: rescaling, look-up tables, real-world maps, units, the uptake of PET."""
