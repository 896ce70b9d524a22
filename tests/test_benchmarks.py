"""The benchmarks as a product: what is written from the record, that nobody is missing silently, commands exist."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from benchmarks import __main__ as command_line
from benchmarks import chart, pairs, record
from benchmarks.peers.protocol import Side, SideError, reason_of
from benchmarks.suite import Contender, Row, Run, Table, compare
from tests.conftest import ROOT

HERE = ROOT / "benchmarks"
RESULTS = (HERE / "RESULTS.md").read_text(encoding="utf-8")
MEASURED = {"machine": "1 × M", "software": "S 1", "date": "2026-01-01", "runs": 3, "quick": False, "load": 0.1}
ROWS = [
    Row("them", "them 1.0", "them_side.py", 10.0, (1.0, 1.5), 1.0, "5; 100.0%"),
    Row("ours", "refinedweb 1", "ours", 1234.5, (0.01, 0.012), 123.45, "6; 99.123%"),
    Row("absent", "absent", "absent_side.py", missing="ImportError: a | b\n" + "c" * 400),
]


def one(rows: list[Row] | None = None, **measured: Any) -> dict[str, Any]:
    table = Table("A suite", "About it.", "docs", "kept", "them", ROWS if rows is None else rows)
    return record.entry(table, {**MEASURED, **measured})


def table_of(text: str) -> list[list[str]]:
    """The cells of each line of the first table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_a_contender_is_a_line_with_all_figures_and_one_that_did_not_run_says_why() -> None:
    heads, rule, them, ours, absent = table_of(record.markdown({"measures": one()}))
    assert len({len(cells) for cells in (heads, rule, them, ours, absent)}) == 1
    assert heads == ["contender", "version", "docs per CPU second", "fastest, slowest run", "ratio", "kept", "side"]
    assert them == ["them", "them 1.0", "10", "1–1.5 s", "1", "5; 100.0%", "them_side.py"]
    assert ours == ["ours", "refinedweb 1", "1,230", "10–12 ms", "123", "6; 99.123%", "ours"]
    assert absent[2].startswith("not run: ImportError: a \\| b ccc")
    assert absent[2].endswith("…")
    assert absent[3:] == ["", "", "", "absent_side.py"]


def test_a_figure_that_nobody_gives_has_no_column() -> None:
    bare = one()
    bare["figure"] = ""
    assert table_of(record.markdown({"measures": bare}))[0][-2] == "ratio"


def test_the_machine_is_told_once_where_it_is_the_same_and_by_suite_where_not() -> None:
    assert record.markdown({"measures": one(), "substring": one()}).count("2026-01-01") == 1
    assert record.markdown({"measures": one(), "substring": one(date="2026-02-02")}).count("2026-0") == 2


def test_a_busy_machine_and_a_trial_are_told() -> None:
    assert "Busy machine (load 3.2)" in record.markdown({"measures": one(load=3.21)})
    assert "Busy" not in record.markdown({"measures": one()})
    trial = record.markdown({"measures": one(quick=True)})
    assert "not a measurement" in trial
    assert "--only measures --runs 3 --quick\n" in trial


def test_what_stands_by_hand_survives_and_what_was_written_is_replaced() -> None:
    document = f"# By hand\n\n{record.BEGIN}\nold\n{record.END}\n\nafter | too\n"
    once = record.placed(document, "new\n")
    assert once == f"# By hand\n\n{record.BEGIN}\n\nnew\n\n{record.END}\n\nafter | too\n"
    assert record.placed(once, "new\n") == once


@pytest.mark.parametrize(
    "document", ["", record.BEGIN, f"{record.END}\n{record.BEGIN}", f"{record.BEGIN}{record.BEGIN}{record.END}"]
)
def test_a_document_without_its_marks_is_left_alone_and_told_what_to_put_in(document: str) -> None:
    with pytest.raises(ValueError, match="put in") as error:
        record.placed(document, "new")
    assert record.BEGIN in str(error.value)


def test_what_is_stored_is_what_the_record_says(tmp_path: Path) -> None:
    """RESULTS.md and results.svg in the repository are those that results.json makes, to the letter."""
    found = command_line.read_record(HERE / "results.json")
    assert list(found) == list(command_line.SUITES), "a suite is not measured"
    (tmp_path / "RESULTS.md").write_text(RESULTS, encoding="utf-8")
    command_line.write(found, tmp_path)
    for name in ("RESULTS.md", "results.svg", "results.json"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (HERE / name).read_text(encoding="utf-8"), name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `main` writes, with two suites that measure nothing."""
    (tmp_path / "RESULTS.md").write_text(f"{record.BEGIN}\n{record.END}\n", encoding="utf-8")
    table = Table("A suite", "About it.", "docs", "kept", "them", ROWS)
    broken = Table("Ours fails", "", "docs", "", "them", [Row("ours", "refinedweb 1", "ours", missing="no")])
    monkeypatch.setattr(command_line, "HERE", tmp_path)
    monkeypatch.setattr(command_line, "SUITES", {"good": lambda run: table, "broken": lambda run: broken})
    return tmp_path


def test_a_suite_that_is_run_alone_leaves_the_others_as_they_were(folder: Path) -> None:
    assert command_line.main(["--runs", "2"]) == 1, "ours did not run"
    before = command_line.read_record(folder / "results.json")
    assert command_line.main(["--only", "good", "--runs", "5", "--quick"]) == 0
    after = command_line.read_record(folder / "results.json")
    assert list(after) == ["good", "broken"]
    assert (before["good"]["measured"]["runs"], after["good"]["measured"]["runs"]) == (2, 5)
    assert after["broken"] == before["broken"]
    assert "A suite" in (folder / "RESULTS.md").read_text(encoding="utf-8")
    assert "Ours fails" in (folder / "results.svg").read_text(encoding="utf-8")


def test_nothing_is_measured_where_it_could_not_be_written(folder: Path) -> None:
    (folder / "RESULTS.md").write_text("# By hand\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="put in"):
        command_line.main([])
    assert not (folder / "results.json").exists()


def test_no_runs_are_a_mistake_of_the_user(folder: Path) -> None:
    with pytest.raises(SystemExit) as error:
        command_line.main(["--runs", "0"])
    assert error.value.code == 2


def test_every_command_and_side_of_the_table_exists() -> None:
    shown = re.findall(r"^    uv run (python -m benchmarks.*?)(?:\s{2,}#.*)?$", RESULTS, re.M)
    assert len(shown) > len(command_line.SUITES)
    for line in shown:
        words = shlex.split(line)[2:]
        module, arguments = words[0], words[1:]
        assert (HERE / f"{module.removeprefix('benchmarks.')}.py").exists() or module == "benchmarks", line
        if module == "benchmarks":
            command_line.parser().parse_args(arguments)
    for suite in json.loads((HERE / "results.json").read_text(encoding="utf-8")).values():
        for row in suite["rows"]:
            side = row["side"] if row["side"].endswith(".py") else f"{row['side']}.py"
            assert (HERE / "peers" / side).exists(), row


def test_every_module_of_ours_imports() -> None:
    """Most are run by hand only, so that a name that moved would be noticed by nobody."""
    ours = [path.stem for path in HERE.glob("*.py") if path.stem not in {"__init__", "__main__"}]
    sides = [path.stem for path in (HERE / "peers").glob("*.py") if "# /// script" not in path.read_text("utf-8")]
    for name in [*ours, *(f"peers.{side}" for side in sides if side != "__init__")]:
        importlib.import_module(f"benchmarks.{name}")
    assert len(ours) > 30


def test_every_peer_of_the_plan_stands_in_the_record_with_a_figure_or_a_reason() -> None:
    rows = [row for suite in command_line.read_record(HERE / "results.json").values() for row in suite["rows"]]
    for peer in ("datatrove", "nemo-curator", "dolma", "rensa", "text-dedup", "datasketch", "pydivsufsort"):
        assert [row for row in rows if row["package"].startswith(peer)], peer
    assert all(bool(row["missing"]) != (row["speed"] is not None) for row in rows)
    assert not [row for row in rows if row["missing"] and row["package"].startswith("refinedweb")]


def test_the_chart_shows_every_contender_and_says_the_same_in_words() -> None:
    drawn = etree.fromstring(chart.svg({"measures": one(), "substring": one()}).encode())
    texts = ["".join(text.itertext()).strip() for text in drawn.iter("{*}text")]
    assert texts.count("A suite") == texts.count("them") == texts.count("absent") == 2
    assert any(text.startswith("not run: ImportError") for text in texts)
    assert "A suite, times them: them 1, ours 123" in drawn.findtext("{*}desc")
    assert "6; 99.123%" in "".join(drawn.itertext()), "numbers in texts keep their digits"
    assert chart.svg({"measures": one()}) == chart.svg({"measures": one()})
    assert "#0" not in etree.tostring(drawn, encoding="unicode").replace("#0e", ""), (
        "a colour that stands for a variable"
    )


SCRIPT = """
import sys
sys.path.insert(0, {peers!r})
from protocol import serve
def good(n): return {{"seconds": 1.0, "process_seconds": n}}
def bad(): import no_such_module_at_all
def dead(): sys.exit("no more")
serve({{"good": good, "bad": bad, "dead": dead}})
"""


@pytest.fixture
def side(tmp_path: Path) -> Any:
    (tmp_path / "side.py").write_text(SCRIPT.format(peers=str(HERE / "peers")), encoding="utf-8")
    with Side([sys.executable, str(tmp_path / "side.py")], core=0) as started:
        yield started


def test_a_job_that_fails_leaves_the_side_alive_and_one_that_ends_it_says_so(side: Side) -> None:
    with pytest.raises(SideError) as error:
        side.ask("bad")
    assert error.value.reason == "ModuleNotFoundError: No module named 'no_such_module_at_all'"
    assert side.ask("good", n=2)["process_seconds"] == 2
    assert side.ask("version", package="pytest")["version"] == pytest.__version__
    with pytest.raises(SideError, match="no more"):
        side.ask("dead")
    with pytest.raises(SideError):
        side.ask("good", n=2)


def test_a_peer_whose_environment_cannot_be_made_is_a_row_with_its_reason(side: Side, tmp_path: Path) -> None:
    with Run(1, True, 0, tmp_path) as run:
        run._sides["side"] = side
        contenders = {
            "them": run.contender("pytest", "side", 4, "good", n=2),
            "ours": run.contender("pytest", "side", 4, "good", n=1),
            "bad": run.contender("no-such-package", "side", 4, "bad"),
            "absent": Contender.absent("pytest", "side", "not on PyPI"),
        }
        rows = compare(run, contenders, "them", lambda answers: dict.fromkeys(answers, "good"))
        alone = compare(run, {"ours": contenders["ours"], "bad": contenders["bad"]}, "bad", lambda _: {})
    assert [(row.contender, row.speed, row.ratio) for row in rows] == [
        ("them", 2, 1), ("ours", 4, 2), ("bad", None, None), ("absent", None, None),
    ]  # fmt: skip
    assert rows[0].package == f"pytest {pytest.__version__}"
    assert "no_such_module" in rows[2].missing
    assert (rows[2].package, rows[2].quality) == ("no-such-package", "")
    assert rows[3].missing == "not on PyPI"
    assert (alone[0].speed, alone[0].ratio) == (4, None), "without a reference there is a speed and no ratio"


def test_our_own_failure_is_no_row_of_the_peers_but_an_error_where_nobody_asked_for_reasons(side: Side) -> None:
    with pytest.raises(SideError):
        pairs.in_turn({"bad": lambda: side.ask("bad")}, 1)


def test_the_reason_is_the_exception_or_what_uv_says() -> None:
    assert reason_of(["Traceback", '  File "x"', "a.b.SomeError: no", "  more"]) == "a.b.SomeError: no"
    said = ["  × No solution found when resolving script dependencies:", "  ╰─▶ Because x was not found, no."]
    assert reason_of(said) == "No solution found when resolving script dependencies: Because x was not found, no."
    assert reason_of(["AnError: of an earlier job", "no more"]) == "no more"
    assert reason_of([]) == ""
