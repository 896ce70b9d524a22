"""How much of a document's text a command prints."""

from __future__ import annotations

SHOWN_CHARACTERS = 800  # about ten lines of a terminal
