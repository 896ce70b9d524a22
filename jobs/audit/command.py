"""`refinedweb job audit` and `refinedweb job audit read`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from jobs.audit.scores import Interval, Judged

TOKEN = "SLACK_BOT_TOKEN"
URL = "https://slack.com/api/"


class _Audit(click.Group):
    """`audit OUT` makes an audit: what is no command's name is the run's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Audit)
def audit() -> None:
    """Let people judge what a run kept and removed: `audit OUT FOLDER`, then `audit read FOLDER`.

    `audit OUT FOLDER` samples documents of every stage and reason into a form (FOLDER/form.html, or form.csv for a
    spreadsheet); with --slack CHANNEL it posts them there. `audit read FOLDER` brings the scores back into a table.
    """


@audit.command()
@click.argument("out")
@click.argument("folder")
@click.option("-n", "--number", type=click.IntRange(1), default=20, show_default=True, help="Documents of each stage.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another sample.")
@click.option("--slack", "channel", metavar="CHANNEL", help=f"Post them to this channel; the token is in ${TOKEN}.")
@click.option("--slack-url", envvar="SLACK_API_URL", default=URL, hidden=True)
def make(out: str, folder: str, number: int, seed: int, channel: str | None, slack_url: str) -> int:
    """Sample documents that OUT kept and removed into FOLDER, as a form for people."""
    from jobs.audit import audit as audits
    from jobs.audit import form as audit_form
    from jobs.audit import slack as audit_slack
    from refinedweb.storage import open_store

    if channel is None:
        items = audits.sample(out, number, seed)
        store = audits.write_items(folder, items)
        store.put(audit_form.FORM, audit_form.form(items, f"Audit of {out}").encode())
        store.put(audit_form.SHEET, audit_form.sheet(items).encode())
        click.echo(f"{len(items)} documents: open {store.uri(audit_form.FORM)}, or fill in {audit_form.SHEET}")
        click.echo(f"Then:  refinedweb job audit read {folder} SCORES.csv ...")
        return 0
    slack = audit_slack.client(_token(), slack_url)
    store = open_store(folder)
    known = next(iter(store.list(audits.ITEMS)), None)
    items = audits.sample(out, number, seed) if known is None else list(audits.read_items(folder).values())
    audits.write_items(folder, items)
    click.echo(f"{audit_slack.post(slack, channel, store, items)} of {len(items)} documents posted to {channel}")
    click.echo(f"Then:  refinedweb job audit read {folder} --slack")
    return 0


@audit.command()
@click.argument("folder")
@click.argument("sheets", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--slack", "from_slack", is_flag=True, help=f"Read the reactions on Slack; the token is in ${TOKEN}.")
@click.option("--slack-url", envvar="SLACK_API_URL", default=URL, hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def read(folder: str, sheets: tuple[Path, ...], from_slack: bool, slack_url: str, as_json: bool) -> int:
    """The scores of the audit in FOLDER, of SHEETS (scores.csv, form.csv) or Slack, by stage and reason."""
    from jobs.audit import audit as audits
    from jobs.audit import form as audit_form
    from jobs.audit import slack as audit_slack
    from jobs.audit.scores import table
    from refinedweb.storage import open_store

    items = audits.read_items(folder)
    scores = [
        score
        for sheet in sheets
        for score in audit_form.read_scores(sheet.read_text(encoding="utf-8", errors="replace"), str(sheet), items)
    ]
    if from_slack:
        scores += audit_slack.read(audit_slack.client(_token(), slack_url), open_store(folder), items.values())
    if not sheets and not from_slack:
        raise click.UsageError("give the CSV files with the scores, or --slack")
    judged = table(items, scores)
    if as_json:
        click.echo(json.dumps([asdict(line) for line in judged]))
        return 0
    _show(judged, len(items), len({score.who for score in scores}))
    return 0


def _token() -> str:
    import os

    from stages.errors import ConfigError

    token = os.environ.get(TOKEN, "")
    if not token:
        raise ConfigError(f"set {TOKEN} to a bot token of your workspace (scopes chat:write and reactions:read)")
    return token


def _show(judged: list[Judged], items: int, people: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    title = (
        f"{sum(line.items for line in judged if line.reason != 'all')} of {items} documents judged by {people} people"
    )
    shown: Any = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("stage", "reason", "documents", "answers", "score 1–5", "wrong decisions"):
        shown.add_column(name, justify="left" if name in ("stage", "reason") else "right")
    for line in judged:
        score = "" if line.score is None else f"{line.score:.2f}{_interval(line.score_interval, '.2f')}"
        wrong = "" if line.wrong is None else f"{line.wrong:.0%}{_interval(line.wrong_interval, '.0%')}"
        shown.add_row(line.stage, line.reason, str(line.items), str(line.answers), score, wrong)
    Console(width=None if Console().is_terminal else 120).print(shown)


def _interval(found: Interval | None, form: str) -> str:
    return "" if found is None else f"  ({found[0]:{form}} to {found[1]:{form}})"
