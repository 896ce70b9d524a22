"""The command line answers immediately, and says what is wrong and what to do, without a traceback, before any work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from refinedweb import sample
from refinedweb.cli import COMMANDS
from tests.conftest import ROOT
from tests.refinedweb.cli.command import refinedweb, refinedweb_process

HEAVY = ("ray", "numba", "pyarrow", "trafilatura", "boto3", "fasttext")
PAGE = """<html lang="en"><head><title>T</title></head><body><article><h1>The river</h1>
<p>The river rose again in the night, and by morning the lower meadow was under water.</p></article></body></html>"""


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom refinedweb.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as e: assert not e.code\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Usage: refinedweb" in done.stdout


def test_the_readme_shows_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"refinedweb {name}" not in readme] == []


CRAWL = str(sample.crawl_files()[0])
MISTAKES = [
    (["runn"], "no command is called 'runn': did you mean 'run'"),
    (["run", "refinedweb", CRAWL], "give at least one INPUT and then OUT"),
    (["run", "refinedwbe", CRAWL, "out"], "no recipe or stage is called 'refinedwbe': did you mean 'refinedweb'"),
    (["run", "url_v1,qualty_v1", CRAWL, "out"], "unknown stage 'qualty_v1' in the recipe: did you mean 'quality_v1'"),
    (["run", "url_v1,url_v1", CRAWL, "out"], "names url_v1 twice"),
    (["run", "missing.toml", CRAWL, "out"], "no recipe file missing.toml"),
    (["run", "url_v1", "missing.warc", "out"], "no input files at missing.warc"),
    (["run", "url_v1", CRAWL, "gs://x/out"], "a run is written to a local folder or to s3://"),
    (["run", "url_v1", CRAWL, "out", "--set", "url_v1.curatd=1"], "no parameter 'curatd': did you mean 'curated'"),
    (["run", "url_v1", CRAWL, "out", "--set", "url_v1.curated=1"], "url_v1.curated takes true or false, not 1"),
    (["run", "url_v1", CRAWL, "out", "--set", "quality_v1.min_words=1"], "the recipe has no stage 'quality_v1'"),
    (["run", "url_v1", CRAWL, "out", "--set", "keep_removed=all"], "takes one of 'ids', 'sample', 'full'"),
    (["run", "url_v1", CRAWL, "out", "--set", "source.max_byte=3"], "did you mean 'max_bytes'"),
    (["run", "url_v1", CRAWL, "out", "--set", "oops"], "write stage.param=value"),
    (["run", "url_v1", CRAWL, "out", "--set", "url_v1.blocklist=nowhere"], "no model or list at"),
    (["run", "url_v1", CRAWL, "out", "--import", "no_such_module"], "is it installed, or in the current folder"),
    (["run", "url_v1", CRAWL, "out", "--workers", "0"], "Invalid value for '--workers'"),
    (["status", "nowhere"], "no run at"),
    (["verify", "nowhere"], "no run at"),
    (["inspect", "nowhere"], "no run at"),
    (["export", "nowhere", "there"], "no run at"),
    (["explain", "nowhere.html"], "cannot read nowhere.html"),
    (["stages", "qualty_v1"], "did you mean 'quality_v1'"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(words)[:70] for words, _ in MISTAKES])
def test_mistakes_are_answered_before_any_work(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = refinedweb(*arguments, code=2, cwd=tmp_path)
    assert message in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir()), "nothing was done"


@pytest.mark.parametrize(
    ("arguments", "message"), [MISTAKES[0], MISTAKES[3], MISTAKES[-3]], ids=["group", "run", "inspect"]
)
def test_a_process_answers_mistakes_alike(tmp_path: Path, arguments: list[str], message: str) -> None:
    """A real process: its modules and stages are its own."""
    done = refinedweb_process(*arguments, code=2, cwd=tmp_path)
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert not list(tmp_path.iterdir()), "nothing was done"


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[[stages]]\nname = 'url_v1'", "unknown key 'stages' in the recipe: did you mean 'stage'"),
        ("[[stage]]\ncurated = true", "has no name"),
        ("name = 'x'", "the recipe has no stages"),
        ("[[stage]", "cannot read the recipe"),
        ("[run]\nkeep_measure = true\n[[stage]]\nname = 'url_v1'", "did you mean 'keep_measures'"),
    ],
)
def test_mistakes_in_a_recipe_file_are_named(tmp_path: Path, toml: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(toml)
    done = refinedweb("run", "mine.toml", CRAWL, "out", code=2, cwd=tmp_path)
    assert message in " ".join(done.stderr.split())


def test_explain_shows_every_measure_beside_its_limit(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    told = refinedweb("explain", tmp_path / "page.html", "--url", "https://a.example/river").stdout
    assert "https://a.example/river: removed by repetition_v1: top_2gram" in told
    assert "quality_v1: too_few_words" in told, "later stages say what they would have done"
    assert "✗ 50 ≤ words: 18" in told
    loaded = json.loads(refinedweb("explain", tmp_path / "page.html", "--json").stdout)
    assert [step["stage"] for step in loaded["steps"]][:3] == ["url_v1", "extract_v1", "language_v1"]
    assert "The river rose again" in loaded["text"]


def test_explain_shows_what_of_a_page_was_kept_and_what_was_left_out(tmp_path: Path) -> None:
    menu = "".join(f"<li><a href='/{n}'>Section {n}</a></li>" for n in range(9))
    body = "".join(f"<p>Part {n}. The river rose again in the night, and nobody was surprised.</p>" for n in range(5))
    (tmp_path / "page.html").write_text(f"<title>x</title><nav><ul>{menu}</ul></nav><article>{body}</article>")
    command = ["explain", tmp_path / "page.html", "--recipe", "extract_v1", "--set", "extract_v1.engine=blocks"]
    told = refinedweb(*command).stdout.splitlines()
    assert sum(re.match(r"    \+ 0\.\d\d Part \d\. The river", line) is not None for line in told) == 5
    assert sum(re.match(r"    - 0\.\d\d Section \d$", line) is not None for line in told) == 9
    (step,) = json.loads(refinedweb(*command, "--json").stdout)["steps"]
    assert {part["text"]: part["kept"] for part in step["parts"]}["Section 3"] is False
    assert all(set(part) == {"text", "kept", "score"} and 0 <= part["score"] <= 1 for part in step["parts"])
    by_trafilatura = refinedweb("explain", tmp_path / "page.html", "--recipe", "extract_v1", "--json").stdout
    assert json.loads(by_trafilatura)["steps"][0]["parts"] == []


def test_an_output_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file stands where the folder should be")
    done = refinedweb("run", "url_v1", CRAWL, tmp_path / "out", code=2)
    assert "a file is where a folder is needed" in done.stderr


def test_stages_tells_parameters_reasons_and_source() -> None:
    listed = refinedweb("stages").stdout
    assert all(name in listed for name in ("url_v1", "extract_v1", "quality_v1", "refinedweb", "falcon", "fineweb"))
    one = refinedweb("stages", "quality_v1").stdout
    assert "min_words" in one
    assert "too_few_words" in one
    assert json.loads(refinedweb("stages", "--json").stdout)["quality_v1"]["params"]["min_words"]["default"] == 50


@pytest.mark.slow
def test_doctor_races_processes_on_the_store(tmp_path: Path) -> None:
    told = refinedweb_process("doctor", tmp_path).stdout
    assert "atomic create: 12 races of 8 processes: one winner each" in told
    assert "compare and swap: 12 races of 8 processes: one winner each" in told
    assert not list(tmp_path.glob("doctor-*"))
