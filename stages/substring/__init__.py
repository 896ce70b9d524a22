"""substring_v1: exact spans of tokens that occur more than once."""
