"""Damage to the files of a run, and everything that looks at one: no more than a message comes of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from click.testing import CliRunner

from refinedweb.cli import cli
from stages.errors import RefinedWebError
from tests.refinedweb.engine.inline import ok, run, write_shards
from tests.refinedweb.views.small_run import page, prose

VIEWS = (
    ("status", "{out}"),
    ("verify", "{out}"),
    ("trail", "{out}"),
    ("inspect", "{out}", "--text"),
    ("inspect", "{out}", "--text", "--stage", "exact"),
    ("explain", "p1", "--run", "{out}"),
    ("export", "{out}", "{out}/exported"),
    ("plan", "{out}", "--input", "9x1MB", "--workers", "2"),
    ("report", "{out}"),
)
QUICK = VIEWS[:-1]  # the report's charts take ten times as long as all of these


def made(folder: Path) -> Path:
    """A small run with a global step."""
    pages = [page(f"p{n}", prose(n % 3)) for n in range(5)]
    ok(run("quality_v1,exact_v1", write_shards(pages, folder / "in", 2), folder / "out", "keep_measures=true"))
    return folder / "out"


def files(out: Path) -> list[Path]:
    """The files that are JSON, in a fixed order."""
    return sorted(out.rglob("*.json"))


def contents() -> list[bytes]:
    """Every JSON file of such a run, each behind a byte with its number: what `attempt` is given in other words."""
    found = files(made(Path(tempfile.mkdtemp())))
    return [bytes([number]) + path.read_bytes() for number, path in enumerate(found)]


def views_of(
    out: Path, views: Sequence[tuple[str, ...]] = VIEWS
) -> Iterator[tuple[tuple[str, ...], BaseException | None]]:
    """Each view with the exception that a user would see as a traceback; None if there is none."""
    for words in views:
        done = CliRunner().invoke(cli, [word.format(out=out) for word in words])
        error = done.exception
        shown = error is None or isinstance(error, SystemExit | RefinedWebError | OSError)
        yield words, None if shown else error


def attempt(
    sound: Path, folder: Path, number: int, content: bytes, views: Sequence[tuple[str, ...]] = VIEWS
) -> list[str]:
    """Give one file of a copy of the run this content, and look at it. Returns what went wrong."""
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(sound, out)
    around = sorted(folder.iterdir())
    damaged = files(out)
    damaged[number % len(damaged)].write_bytes(content)
    wrong = [f"{words[0]}: {error!r}" for words, error in views_of(out, views) if error is not None]
    left = [path.name for path in folder.iterdir() if path not in around]
    return wrong + [f"left {name}" for name in left]
