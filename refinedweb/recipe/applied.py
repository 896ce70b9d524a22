"""Which parameters of a stage apply to documents in a language, by each table that ships, and which entry says so."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from stages.base import build, registry
from stages.by_language.labels import meaning
from stages.by_language.tables import shipped_tables, stages_of
from stages.by_language.varied import VariedStage
from stages.errors import ConfigError
from stages.language_codes import MEANT


@dataclass(frozen=True)
class AppliedTable:
    """What one table changes for a language: by parameter, its value and the entry (`tha`, `Thai`, `Kra-Dai`)."""

    table: str
    changed: dict[str, tuple[Any, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class AppliedLimits:
    """The usual parameters of a stage, and what each table that knows the stage makes of them for a language."""

    stage: str
    label: str
    usual: dict[str, Any]
    tables: list[AppliedTable]

    @property
    def language(self) -> str:
        """The language in words: `th is Thai (tha), script Thai, family Kra-Dai`."""
        found = meaning(self.label)
        known = f"{found.name or 'a language without a name here'} ({found.language})"
        return f"{self.label} is {known}, script {found.script or 'unknown'}, family {found.family or 'unknown'}"

    def lines(self) -> list[str]:
        """A line for each parameter that some table changes."""
        lines = [f"{self.stage}, language {self.language}"]
        if not self.tables:
            return [*lines, "No table that ships has limits by language for this stage: the usual ones apply."]
        wanted = [name for name in self.usual if any(name in table.changed for table in self.tables)]
        lines.append(f"{'':28}{'usual':<16}" + "".join(f"by_language={table.table:<22}" for table in self.tables))
        for name in wanted:
            cells = [table.changed.get(name) for table in self.tables]
            shown = [f"{'as usual' if cell is None else f'{cell[0]} ({cell[1]})':<34}" for cell in cells]
            lines.append(f"{name:28}{self.usual[name]!s:<16}" + "".join(shown).rstrip())
        fitting = [table.table for table in self.tables if table.changed]
        if not fitting:
            return [*lines, "No entry fits this language: the usual parameters apply."]
        return [*lines, f"Apply a table: --set {self.stage}.by_language={fitting[-1]}"]


def applied(name: str, label: str) -> AppliedLimits:
    """What applies to documents in a language. Raises ConfigError for a label that is not one of a language."""
    found = meaning(label)
    if not found.name and not 2 <= len(found.language) <= 3:
        close = get_close_matches(label.lower(), MEANT, 1, 0.7)
        meant = f"did you mean {MEANT[close[0]]!r}?" if close else "give a code (ja, jpn_Jpan, zh-Hant)"
        raise ConfigError(f"--language {label!r} is not the code of a language: {meant}")
    usual = {f.name: getattr(build(name), f.name) for f in dataclasses.fields(registry()[name])}
    named = [table for table in shipped_tables() if name.rpartition("_v")[0] in stages_of(table)]
    return AppliedLimits(name, label, usual, [_applied(name, label, table) for table in named])


def _applied(name: str, label: str, table: str) -> AppliedTable:
    varied = build(name, {"by_language": table})
    assert isinstance(varied, VariedStage)
    changed: dict[str, tuple[Any, str]] = {}
    for key in varied.keys_for(label):
        changed |= {parameter: (value, key) for parameter, value in varied.own[key].items()}
    return AppliedTable(table, changed)
