"""The contract of stages, and one file or folder per curation stage: pure functions over Arrow tables."""
