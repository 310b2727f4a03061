"""Frames decoded, and nothing that was not declared: uncompressed, encapsulated, deflated."""
