"""Audits: what is sampled, forms that hostile pages cannot break, Slack as slack_sdk speaks it, sound intervals."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from jobs.audit.form import form, read_scores, sheet
from jobs.audit.samples import KEPT, Item, Score, quotas, read_items, sample, write_items
from jobs.audit.scores import ALL, table, wilson
from jobs.audit.slack import client, message, post, read_reactions, scores_of
from jobs.cli import job
from refinedweb.storage import open_store
from stages.errors import ConfigError, RetryError
from tests.jobs.audit.form_page import Page
from tests.jobs.audit.slack_server import Slack
from tests.refinedweb.engine.inline import run, write_shards

TEXT = "This is a page about the garden in which the beans and the peas of the village grow every summer. "
HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)> \"' =cmd() <!channel> &amp; \x1b[2J {{ }} ]]>"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    good = [
        {"id": f"g{n}", "url": f"http://a.test/{n}", "text": f"{TEXT * 8} Number {n}. {HOSTILE}"} for n in range(30)
    ]
    short = [{"id": f"s{n}", "url": "javascript:alert(3)", "text": f"short {n} {HOSTILE}"} for n in range(10)]
    copies = [{"id": f"c{n}", "url": f"http://b.test/{n}", "text": good[0]["text"]} for n in range(4)]
    files = write_shards([*good, *short, *copies], folder / "in", 3)
    run("quality_v1,exact_v1", files, folder / "out", "quality_v1.min_words=50")
    return folder / "out"


def test_every_stage_and_reason_gets_its_share(out: Path) -> None:
    items = sample(str(out), 6)
    by_fate: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        by_fate.setdefault((item.stage, item.reason), []).append(item)
    assert ("corpus", KEPT) in by_fate
    assert {stage for stage, _ in by_fate} == {"corpus", "quality_v1", "exact_v1"}
    assert all(item.text for item in items)
    assert all(item.beside for item in items if item.stage == "exact_v1"), "a duplicate is shown next to what was kept"
    counts = {item.count for item in items if item.stage == "exact_v1"}
    assert counts == {4}
    assert sample(str(out), 6) == items, "the same seed, the same sample"
    assert len({item.item for item in items}) == len(items)


ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "header", "strong", "label", "input", "button", "span", "section",
    "h2", "div", "pre", "fieldset", "script",
}  # fmt: skip


@given(st.text(max_size=300), st.text(max_size=60), st.sampled_from(["", HOSTILE]))
def test_no_page_breaks_out_of_the_form(text: str, url: str, beside: str) -> None:
    page = Page(form([Item("abc", "s_v1", HOSTILE, 1, "id", url, text + HOSTILE, beside)], HOSTILE))
    assert {tag for tag, _ in page.tags} <= ALLOWED
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not any(name.startswith("on") or name in ("src", "href") for _, attrs in page.tags for name in attrs)
    assert "<script>alert(1)</script>" in page.texts[0], "shown as it is, to the person who judges"
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "\x1b" not in page.texts[0]


@given(st.lists(st.text(max_size=50), min_size=1, max_size=5))
def test_the_sheet_holds_no_formula_and_reads_back(texts: list[str]) -> None:
    items = [Item(f"i{n}", "s", "r", 1, "id", "=1+1", text) for n, text in enumerate(texts)]
    rows = list(csv.DictReader(io.StringIO(sheet(items))))
    assert [row["item"] for row in rows] == [item.item for item in items]
    for row in rows:
        assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())
        row["score"], row["wrong"], row["who"] = "4", "x", "me"
    filled = io.StringIO()
    writer = csv.DictWriter(filled, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    known = [item.item for item in items]
    assert read_scores("\ufeff" + filled.getvalue(), "f.csv", known) == [Score(i, "me", 4, True) for i in known]


SIGNS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫", "\N{MINUS SIGN}"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", ["", " ", "\t", "\u3000", "\u200b", "'", '"', "a;", "a; ", "a\n", 'a";"', "\r\n"])
def test_a_formula_is_defused_wherever_a_spreadsheet_splits_the_cell(sign: str, before: str) -> None:
    made = sheet([Item("i", "s", "r", 1, "id", f"{before}{sign}cmd|' /C calc'!A0", "text")])
    for delimiter in ",;":
        cells = [cell for row in csv.reader(io.StringIO(made), delimiter=delimiter) for cell in row]
        parts = [part for cell in cells for line in cell.splitlines() for part in line.split(";")]
        assert not [part for part in parts if part.lstrip(" \u3000").startswith(tuple(SIGNS))]
    [header, row] = csv.reader(io.StringIO(made))
    assert all(f'"{name}"' in made for name in header), "quoted whole"
    assert row[0] == "i"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("zzz,me,3,", "line 2: the audit has no item 'zzz'"),
        ("a,me,6,", "line 2: a score must be 1 to 5, not '6'"),
        ("a,me,3,maybe", "line 2: wrong must be empty or 1"),
    ],
)
def test_what_cannot_be_understood_is_named(line: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        read_scores(f"item,who,score,wrong\n{line}\n", "f.csv", ["a"])
    with pytest.raises(ConfigError, match="no column item, who"):
        read_scores("a,b\n1,2\n", "f.csv", ["a"])


@pytest.fixture
def slack() -> Iterator[Slack]:
    workspace = Slack()
    yield workspace
    workspace.server.shutdown()
    workspace.server.server_close()


ITEMS = [
    Item(f"i{n}", "quality_v1", "too_few_words", 100, f"id{n}", "http://a.test", f"text {n} {HOSTILE}")
    for n in range(3)
]


def test_posts_are_plain_text_and_none_is_posted_twice(slack: Slack, tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    assert post(client("xoxb-1", slack.url), "C1", store, ITEMS[:2]) == 2
    assert post(client("xoxb-1", slack.url), "C1", store, ITEMS) == 1
    assert slack.tokens == {"Bearer xoxb-1"}
    assert len(slack.messages) == 3
    for asked in slack.messages.values():
        assert asked["channel"] == "C1"
        assert (asked["unfurl_links"], asked["unfurl_media"]) in (("0", "0"), ("false", "false"))
        assert "<" not in asked["text"]
        blocks = json.loads(asked["blocks"])
        shown = [block for block in blocks if block["type"] != "context"]
        assert all(block["text"]["type"] == "plain_text" for block in shown)
        assert all(1 <= len(block["text"]["text"]) <= (150 if block["type"] == "header" else 3000) for block in shown)
        assert any("<!channel>" in block["text"]["text"] for block in shown), "as text, which mentions nobody"


@given(st.text(max_size=5000), st.text(max_size=5000))
def test_no_text_passes_the_limits_of_a_block(text: str, url: str) -> None:
    asked = message("C1", Item("i", "s" * 100, "r" * 100, 1, "id", url, text, text))
    for block in asked["blocks"]:
        told = block["text"]["text"] if "text" in block else block["elements"][0]["text"]
        assert 1 <= len(told) <= (150 if block["type"] == "header" else 3000)
    assert len(asked["blocks"]) <= 50


def test_reactions_become_scores(slack: Slack, tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    post(client("t", slack.url), "C1", store, ITEMS)
    first, second, _ = sorted(slack.messages)
    slack.reactions[first] = [
        {"name": "four", "users": ["U1", "U2"], "count": 2}, {"name": "x", "users": ["U2"], "count": 1},
        {"name": "tada", "users": ["U3"], "count": 1},
    ]  # fmt: skip
    slack.reactions[second] = [{"name": "one", "users": ["U1"]}, {"name": "five", "users": ["U1"]}]
    found = read_reactions(client("t", slack.url), store, ITEMS)
    assert found == [Score("i0", "U1", 4, False), Score("i0", "U2", 4, True)]
    assert scores_of("i", [{"name": "x", "users": ["U"]}]) == [Score("i", "U", None, True)]


def test_slack_that_wants_patience_gets_it(slack: Slack, tmp_path: Path) -> None:
    slack.script = [(429, {"Retry-After": "0"}, {"ok": False, "error": "ratelimited"})] * 3
    assert post(client("t", slack.url), "C1", open_store(str(tmp_path)), ITEMS[:1]) == 1
    assert len(slack.calls) == 4


@pytest.mark.parametrize("header", ["1.5", "", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", None])
def test_slack_may_write_its_wish_in_any_way(
    slack: Slack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str | None
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("jobs.audit.slack.time.sleep", waits.append)
    headers = {} if header is None else {"Retry-After": header}
    slack.script = [(429, headers, {"ok": False, "error": "ratelimited"})]
    assert post(client("t", slack.url), "C1", open_store(str(tmp_path)), ITEMS[:1]) == 1
    asked = 1.5 if header == "1.5" else 0.0
    assert asked <= max(waits) <= asked + 1.0


def test_an_interrupted_audit_goes_on(slack: Slack, tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    slack.script = [
        (200, {}, {"ok": True, "channel": "C1", "ts": "1.0"}),
        (200, {}, {"ok": False, "error": "fatal_error"}),
    ]
    with pytest.raises(RetryError, match="resumes"):
        post(client("t", slack.url), "C1", store, ITEMS)
    assert post(client("t", slack.url), "C1", store, ITEMS) == 2


@pytest.mark.parametrize("error", ["invalid_auth", "channel_not_found", "missing_scope"])
def test_a_refusal_says_what_to_mend(slack: Slack, tmp_path: Path, error: str) -> None:
    slack.script = [(200, {}, {"ok": False, "error": error})]
    with pytest.raises(ConfigError, match=f"{error}; check the token"):
        post(client("t", slack.url), "C1", open_store(str(tmp_path)), ITEMS)


def test_wilson_covers_the_truth() -> None:
    """About 95 % of the intervals of many samples contain the share that they were drawn from, rare shares too."""
    dice = np.random.default_rng(1)
    for truth in (0.02, 0.3, 0.9):
        for n in (20, 100):
            hits = [low <= truth <= high for low, high in (wilson(k / n, n) for k in dice.binomial(n, truth, 2000))]
            assert 0.9 <= np.mean(hits) <= 0.995
    assert wilson(0.0, 10)[0] == 0.0
    assert wilson(0.0, 10)[1] == pytest.approx(0.2775, abs=1e-3)  # Newcombe 1998
    with pytest.raises(ValueError, match="nothing"):
        wilson(0.0, 0)


def test_a_stage_weighs_its_reasons_by_how_often_they_occurred() -> None:
    rare = [Item(f"r{n}", "s_v1", "rare", 10, "", "", "t") for n in range(10)]
    usual = [Item(f"u{n}", "s_v1", "usual", 990, "", "", "t") for n in range(10)]
    items = {item.item: item for item in [*rare, *usual]}
    scores = [Score(item.item, "me", 5 if item in rare else 1, item in rare) for item in items.values()]
    lines = {line.reason: line for line in table(items, scores)}
    assert lines["rare"].wrong == 1.0
    assert lines["usual"].wrong == 0.0
    assert lines[ALL].wrong == pytest.approx(0.01)
    assert lines[ALL].score == pytest.approx(0.01 * 5 + 0.99 * 1)
    assert lines[ALL].wrong_interval is not None
    assert lines[ALL].wrong_interval[1] < 0.5


@given(st.dictionaries(st.text("abc", min_size=1), st.integers(1, 50), min_size=1), st.integers(1, 60))
def test_quotas_are_even_and_used_up(reasons: dict[str, int], number: int) -> None:
    given_ = quotas(reasons, number)
    assert sum(given_.values()) == min(number, sum(reasons.values()))
    assert all(quota <= reasons[reason] for reason, quota in given_.items())
    short = [given_.get(reason, 0) for reason, count in reasons.items() if given_.get(reason, 0) < count]
    assert max(given_.values()) - min(short, default=max(given_.values())) <= 1


def test_reasons_with_one_item_each_are_not_certain() -> None:
    items = {f"i{n}": Item(f"i{n}", "s_v1", f"r{n}", 10, "", "", "t") for n in range(5)}
    *_, line = table(items, [Score(name, "me", 1 + n, False) for n, name in enumerate(items)])
    assert line.reason == ALL
    assert line.score_interval is not None
    assert line.score_interval[0] < 2.7 < 3.3 < line.score_interval[1]


def test_people_of_one_item_are_one_voice() -> None:
    items = {"a": Item("a", "s", "r", 1, "", "", "t"), "b": Item("b", "s", "r", 1, "", "", "t")}
    scores = [Score("a", "1", 5, True), Score("a", "2", 3, False), Score("a", "2", 1, False), Score("b", "1", 2, False)]
    (line,) = table(items, scores)
    assert (line.items, line.answers) == (2, 3), "who judged twice changed their mind"
    assert line.score == pytest.approx((3 + 2) / 2)
    assert line.wrong == pytest.approx(0.25)
    assert table(items, []) == []


def test_from_the_command_to_the_table(
    out: Path, tmp_path: Path, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path / "audit")
    call = CliRunner().invoke(
        job, ["audit", str(out), folder, "-n", "4"], standalone_mode=False, catch_exceptions=False
    )
    assert "form.html" in call.output
    items = read_items(folder)
    page = Page((tmp_path / "audit" / "form.html").read_text(encoding="utf-8"))
    assert sum(tag == "section" for tag, _ in page.tags) == len(items)
    scores = "".join(f"{name},me,{1 + n % 5},{n % 2 or ''}\n" for n, name in enumerate(items))
    (tmp_path / "scores.csv").write_text("item,who,score,wrong\n" + scores)
    read_call = ["audit", "read", folder, str(tmp_path / "scores.csv")]
    shown = CliRunner().invoke(job, read_call, standalone_mode=False, catch_exceptions=False).output
    assert f"{len(items)} of {len(items)} documents judged by 1 people" in shown
    told = json.loads(CliRunner().invoke(job, [*read_call, "--json"]).output)
    assert {line["stage"] for line in told} == {"corpus", "quality_v1", "exact_v1"}
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-9")
    monkeypatch.setenv("SLACK_API_URL", slack.url)
    call = CliRunner().invoke(
        job, ["audit", str(out), folder, "--slack", "C1"], standalone_mode=False, catch_exceptions=False
    )
    assert f"{len(items)} of {len(items)} documents posted" in call.output
    slack.reactions[min(slack.messages)] = [{"name": "five", "users": ["U1"]}]
    told = json.loads(CliRunner().invoke(job, ["audit", "read", folder, "--slack", "--json"]).output)
    assert [line["score"] for line in told] == [5.0]


def test_without_a_token_or_an_audit_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="no audit at"):
        read_items(str(tmp_path))
    write_items(str(tmp_path), ITEMS)
    with pytest.raises(ConfigError, match="set SLACK_BOT_TOKEN"):
        CliRunner().invoke(
            job, ["audit", "read", str(tmp_path), "--slack"], standalone_mode=False, catch_exceptions=False
        )
