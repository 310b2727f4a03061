"""One extract's tables: built from its record and headers, kept in the cache, known again when nothing changed."""
