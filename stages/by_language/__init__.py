"""Parameters by language: one stage, its limits chosen row by row."""
