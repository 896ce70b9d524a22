"""Sphinx: `uv run --group docs sphinx-build -W docs docs/_build`. Neither build nor browser fetches anything."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

import generate  # noqa: E402

generate.write(HERE / "reference")

project = "RefinedWeb"
author = "the RefinedWeb developers"
project_copyright = "Apache-2.0"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3  # headings down to this level can be linked to

html_theme = "furo"
html_title = "RefinedWeb"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_use_index = False
html_theme_options = {"source_view_link": "", "top_of_page_buttons": []}
