"""DuckDB over the tables of several extracts: the views a question reaches, and what a question may hold."""
