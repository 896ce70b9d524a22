"""The documentation cannot drift: what exists is described, what is described exists, and what is shown runs."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import click
import pyarrow.parquet as pq
import pytest

from refinedweb.cli import cli
from refinedweb.ledger.manifest import Record
from refinedweb.recipe.load import load as load_recipe
from refinedweb.recipe.load import load_stages, shipped
from stages.base import BY_LANGUAGE, registry
from stages.by_language.tables import shipped_tables
from tests.conftest import ROOT
from tests.refinedweb.cli.command import refinedweb

DOCS = ROOT / "docs"
PROSE = sorted(path for path in DOCS.rglob("*.md") if not {"reference", "_build"} & set(path.relative_to(DOCS).parts))
SHOWN = [*PROSE, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"))]
STAGE_NAME = re.compile(r"\b[a-z][a-z0-9_]*_v\d+\b")
# Names that look like a stage's: dolma's taggers, forms of normalisation, models, what the guides write.
OTHERS = {
    "gopher_v1", "c4_v2", "ft_lang_id_en_paragraph_v2", "cld2_en_doc_v2", "random_number_v1", "words_v1", "folded_v1",
    "shouting_v1", "test_shouting", "quality_v2", "blocks_v1",
}  # fmt: skip


class Block(NamedTuple):
    """One fenced block of a page."""

    page: Path
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    fenced = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    return [Block(page, language, text) for language, text in fenced]


def shown_calls(page: Path) -> Iterator[str]:
    """The lines of a page that call the program, in fenced or indented blocks, without their comments."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if call := re.match(r"(?:    uv run |    |)(refinedweb .*)", line):
            yield re.split(r"\s{2,}#\s", call[1])[0].rstrip()


def joined(text: str) -> list[str]:
    """The lines of a block; a line that ends with a backslash goes on."""
    return re.sub(r"\\\n\s*", "", text).splitlines()


def calls() -> list[tuple[Path, str]]:
    fenced = [(b.page, b) for page in SHOWN for b in blocks(page) if b.language == "bash"]
    in_fences = [(page, line) for page, b in fenced for line in joined(b.text) if line.startswith("refinedweb ")]
    return in_fences + [(page, line) for page in (ROOT / "README.md",) for line in shown_calls(page)]


CALLS = calls()


@lru_cache(maxsize=1)
def generator() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    import generate

    return generate


@lru_cache(maxsize=1)
def reference() -> dict[str, str]:
    made: dict[str, str] = generator().pages()
    return made


def every_command() -> list[tuple[str, click.Command]]:
    generator()  # puts its folder on the path
    from generator.cli_page import commands

    return list(commands())


def test_every_command_and_option_is_in_the_reference() -> None:
    page = reference()["cli.md"]
    for name, command in every_command():
        sections = re.split(r"^#+ ", page, flags=re.M)
        section = next(part for part in sections if part.startswith(f"{name}\n"))
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(f"`{flag}" in section for flag in parameter.opts), f"{name} {parameter.opts}"
            else:
                assert (parameter.metavar or parameter.make_metavar(click.Context(command))).strip("[].") in section


# They remove no document, or for reasons that the user writes.
WITHOUT = ("weight_v1", "pii_v1", "columns_v1", "where_v1", "characters_v1")


def test_every_stage_and_parameter_is_in_the_reference() -> None:
    load_stages()
    ours = {
        name: cls for name, cls in registry().items() if cls.__module__.startswith("stages.")
    }  # not the tests' toys
    for name, cls in ours.items():
        page = reference()[f"stages/{name}.md"]
        for parameter in dataclasses.fields(cls):
            assert f"| `{parameter.name}` |" in page, f"{name}.{parameter.name}"
        assert f"(stages/{name}.md)" in reference()["reasons.md"] or name in WITHOUT, name
        assert f"({name}.md)" in reference()["stages/index.md"]


def test_every_key_of_a_recipe_and_every_field_of_a_record_is_in_the_reference() -> None:
    from refinedweb.recipe.recipe import RunOptions
    from refinedweb.sources import SourceOptions

    for cls in (RunOptions, SourceOptions):
        for key in cls.__dataclass_fields__:
            assert f"| `{key}` |" in reference()["recipes.md"], key
    assert all(f"| `{name}` |" in reference()["ledger.md"] for name in Record.__dataclass_fields__)
    assert all(f"### {name}\n" in reference()["recipes.md"] for name in shipped())


def written_reasons() -> Iterator[tuple[str, str]]:
    """(module, text) for each string constant that the code passes to a function which makes a reason of it."""
    for path in [*(ROOT / "stages").rglob("*.py"), *(ROOT / "refinedweb").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                if called in {"if_else", "Outcome", "Limit", "_quarantine", "_halve", "scalar"}:
                    for argument in node.args:
                        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                            yield path.relative_to(ROOT).as_posix(), argument.value


def test_every_reason_in_the_code_is_in_the_reference() -> None:
    page = reference()["reasons.md"]
    measures = {limit.measure for cls in registry().values() if hasattr(cls, "limits") for limit in cls().limits()}
    found = {(where, reason) for where, reason in written_reasons() if re.fullmatch("[a-z]+(_[a-z0-9]+)+", reason)}
    assert len(found) > 30, "the search sees them"
    missing = [(where, reason) for where, reason in found if f"| `{reason}` |" not in page and reason not in measures]
    assert missing == []


def test_a_run_gives_no_reason_that_is_not_in_the_reference(tutorial: Path) -> None:
    import refinedweb as rw

    given = {reason for reasons in rw.open(str(tutorial / "out")).totals().removed.values() for reason in reasons}
    assert given
    assert [reason for reason in given if f"| `{reason}` |" not in reference()["reasons.md"]] == []


@pytest.mark.parametrize("page", SHOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_name_stages_and_parameters_that_exist(page: Path) -> None:
    load_stages()
    text = page.read_text(encoding="utf-8")
    assert set(STAGE_NAME.findall(text)) - set(registry()) - set(shipped_tables()) - OTHERS == set()
    for stage, parameter in re.findall(r"\b([a-z][a-z0-9_]*_v\d+)\.([a-z_]+)\b(?!\()", text):
        if stage in registry() and not parameter.startswith(("toml", "py", "md", "ftz")):
            known = {BY_LANGUAGE, *registry()[stage].__dataclass_fields__, *measures_of(stage)}
            assert parameter in known, f"{page.name}: {stage}.{parameter}"
    named = set(re.findall(r"`(?:uv run )?refinedweb ([a-z]+)", text)) - {"run"}
    assert named <= {name for name, _ in every_command()}
    for option in re.findall(r"`(--[a-z-]+)", text):
        assert any(option in p.opts for _, c in every_command() for p in c.params) or option in {"--num-cpus"}, option


def measures_of(stage: str) -> set[str]:
    cls = registry()[stage]
    keys = {"keys", "checks", "fingerprints", "paragraphs"}
    return keys | ({limit.measure for limit in cls().limits()} if hasattr(cls, "limits") else set())


@pytest.mark.parametrize(("page", "call"), CALLS, ids=[call[:60] for _, call in CALLS])
def test_every_call_shown_is_one_that_the_program_takes(page: Path, call: str) -> None:
    words = shlex.split(call)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="refinedweb")
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"{page.name}: no command {name}"
        command = found
        context = click.Context(command, info_name=name, parent=context)
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False  # the files of an example need not exist
    command.parse_args(context, words)
    if command.name == "run":
        check_recipe(context.params)


def check_recipe(params: dict[str, object]) -> None:
    """Check the stage names and `--set` options of a shown run, as far as they need no files."""
    spec, overrides, imports = (params[name] for name in ("recipe", "overrides", "imports"))
    assert isinstance(spec, str)
    assert isinstance(overrides, tuple)
    if not spec.endswith(".toml") and not imports:
        plain = [o for o in overrides if not re.search(r"blocklist=|model=", o)]
        load_recipe(spec, plain)
        for override in set(overrides) - set(plain):
            assert override.partition("=")[0].partition(".")[2] in {"blocklist", "model"}


class Shell:
    """A shell that has our program and Python on its path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        programs = folder / "bin"
        programs.mkdir()
        for name, words in {"refinedweb": "-m refinedweb", "python": ""}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (programs / name).chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self._env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}

    def __call__(self, text: str) -> str:
        """What the commands print; fails if one of them does."""
        call = ["bash", "-ec", text]
        done = subprocess.run(call, cwd=self._folder, env=self._env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module", params=["here", pytest.param("shell", marks=pytest.mark.slow)])
def tutorial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every command of the tutorial was run, in order, and what it printed compared with the page: our program
    within this process, or all as the shell of a reader would.
    """
    folder = tmp_path_factory.mktemp("tutorial")
    run = Shell(folder)
    printed = ""
    for block in blocks(DOCS / "tutorial.md"):
        if block.language == "bash":
            here = request.param == "here" and re.fullmatch(r"refinedweb [^\n;|&$<>`]+\n", block.text) is not None
            shown = refinedweb(*shlex.split(block.text)[1:], cwd=folder).stdout if here else run(block.text)
            printed = " ".join(shown.split())
        elif printed:
            for line in block.text.splitlines():
                wanted = " ".join(line.removesuffix("…").split())
                assert wanted in printed, f"the tutorial shows {line!r}, the command printed {printed}"
    return folder


def test_the_tutorial_runs_and_prints_what_it_says(tutorial: Path) -> None:
    assert pq.read_table(tutorial / "out" / "corpus").num_rows == 139
    assert pq.read_table(tutorial / "published").column_names[0] == "content"


def test_the_stage_of_the_guide_works(tmp_path: Path) -> None:
    """The guide's stage is written to a file, imported as the guide says, and judges as its docstring says."""
    (code,) = (block.text for block in blocks(DOCS / "how-to" / "custom-stage.md") if block.language == "python")
    (tmp_path / "shouting.py").write_text(code, encoding="utf-8")
    (tmp_path / "use.py").write_text(
        "import refinedweb as rw, shouting\nfrom stages.schema import documents\n"
        "judged = rw.run_stage('shouting_v1', documents(text=['LOUD', 'quiet', None, '']))\n"
        "print(judged['drop'].to_pylist(), judged['shouting_v1.upper'].to_pylist())\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "use.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "['too_much_upper_case', None, None, None] [1.0, 0.0, 0.0, 0.0]\n", done.stderr


def test_the_curve_is_that_of_the_formula() -> None:
    from generator.s_curve import probability

    assert reference()["s-curve.svg"].count("<path") > 10
    known = {0.6: 0.016, 0.7: 0.302, 0.75: 0.761, 0.8: 0.995}
    assert {s: round(probability(s, 450, 20), 3) for s in known} == known


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    """Broken links, pages in no menu and bad markup are warnings."""
    pytest.importorskip("sphinx", reason="needs the dependency group `docs`")
    pytest.importorskip("furo", reason="needs the dependency group `docs`")
    site = tmp_path / "site"
    words = ["-W", "--keep-going", "-q", "-d", str(tmp_path / "trees"), str(DOCS), str(site)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "sphinx", *words], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    foreign = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?:https?:)?//[^\"]+")
    for page in site.rglob("*.html"):
        loaded = foreign.findall(page.read_text(encoding="utf-8"))
        assert loaded == [], page.name


def test_a_column_that_nobody_described_fails_the_build() -> None:
    from generator import format_pages

    with pytest.raises(SystemExit, match="describe \\['new'\\]"):
        format_pages.check_described({"old"}, {"old", "new"}, "columns")
