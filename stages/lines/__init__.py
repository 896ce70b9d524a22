"""lines_v1: corrections of single lines."""
