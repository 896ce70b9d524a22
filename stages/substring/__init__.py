"""substring_v2, substring_v1: exact spans of tokens that occur more than once."""
