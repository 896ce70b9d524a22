"""`job audit` and `job audit read`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from refinedweb.cli.options import json_option, receives

if TYPE_CHECKING:
    from slack_sdk import WebClient

    from jobs.audit.samples import Item, Score
    from jobs.audit.scores import Interval, Judged

TOKEN = "SLACK_BOT_TOKEN"
URL = "https://slack.com/api/"
PIPE_WIDTH = 120  # characters of a table that does not go to a terminal


class _Audit(click.Group):
    """`audit OUT` makes an audit: a first word that is not a command is a run's output."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Audit)
def audit() -> None:
    """Let people judge what a run kept and removed: `audit OUT FOLDER`, then `audit read FOLDER`.

    `audit OUT FOLDER` samples documents of every stage and reason into a form (FOLDER/form.html, or form.csv for a
    spreadsheet); with --slack CHANNEL it posts them there. `audit read FOLDER` turns the scores into a table.
    """


@dataclass(frozen=True)
class MakeAuditArguments:
    """What `refinedweb job audit make` takes."""

    out: str
    folder: str
    number: int
    seed: int
    channel: str | None
    slack_url: str


@audit.command()
@click.argument("out")
@click.argument("folder")
@click.option("-n", "--number", type=click.IntRange(1), default=20, show_default=True, help="Documents of each stage.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives another sample.")
@click.option("--slack", "channel", metavar="CHANNEL", help=f"Post them to this channel; the token is in ${TOKEN}.")
@click.option("--slack-url", envvar="SLACK_API_URL", default=URL, hidden=True)
@receives(MakeAuditArguments)
def make(arguments: MakeAuditArguments) -> int:
    """Sample documents that OUT kept and removed into FOLDER, as a form for people."""
    if arguments.channel is None:
        _make_form(arguments)
    else:
        _make_posts(arguments, arguments.channel)
    return 0


def _make_form(arguments: MakeAuditArguments) -> None:
    from jobs.audit import form, samples

    items = samples.sample(arguments.out, arguments.number, arguments.seed)
    store = samples.write_items(arguments.folder, items)
    store.put(form.FORM, form.form(items, f"Audit of {arguments.out}").encode())
    store.put(form.SHEET, form.sheet(items).encode())
    click.echo(f"{len(items)} documents: open {store.uri(form.FORM)}, or fill in {form.SHEET}")
    click.echo(f"Then:  refinedweb job audit read {arguments.folder} SCORES.csv ...")


def _make_posts(arguments: MakeAuditArguments, channel: str) -> None:
    """Post the sample, or what is left of it if the same audit was interrupted."""
    from jobs.audit import samples, slack
    from refinedweb.storage import open_store

    client = _slack_client(arguments.slack_url)
    store = open_store(arguments.folder)
    if next(iter(store.list(samples.ITEMS)), None) is None:
        items = samples.sample(arguments.out, arguments.number, arguments.seed)
    else:
        items = list(samples.read_items(arguments.folder).values())
    samples.write_items(arguments.folder, items)
    click.echo(f"{slack.post(client, channel, store, items)} of {len(items)} documents posted to {channel}")
    click.echo(f"Then:  refinedweb job audit read {arguments.folder} --slack")


@dataclass(frozen=True)
class ReadAuditArguments:
    """What `refinedweb job audit read` takes."""

    folder: str
    sheets: tuple[Path, ...]
    from_slack: bool
    slack_url: str
    as_json: bool


@audit.command("read")
@click.argument("folder")
@click.argument("sheets", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--slack", "from_slack", is_flag=True, help=f"Read the reactions on Slack; the token is in ${TOKEN}.")
@click.option("--slack-url", envvar="SLACK_API_URL", default=URL, hidden=True)
@json_option
@receives(ReadAuditArguments)
def read_audit(arguments: ReadAuditArguments) -> int:
    """Show the scores of the audit in FOLDER, from SHEETS (scores.csv, form.csv) or Slack, by stage and reason."""
    from jobs.audit.samples import read_items
    from jobs.audit.scores import table

    items = read_items(arguments.folder)
    scores = _scores(arguments, items)
    judged = table(items, scores)
    if arguments.as_json:
        click.echo(json.dumps([asdict(line) for line in judged]))
    else:
        _show(judged, len(items), len({score.who for score in scores}))
    return 0


def _scores(arguments: ReadAuditArguments, items: dict[str, Item]) -> list[Score]:
    from jobs.audit import form, slack
    from refinedweb.storage import open_store

    scores: list[Score] = []
    for sheet in arguments.sheets:
        scores += form.read_scores(sheet.read_text(encoding="utf-8", errors="replace"), str(sheet), items)
    if arguments.from_slack:
        client = _slack_client(arguments.slack_url)
        scores += slack.read_reactions(client, open_store(arguments.folder), items.values())
    elif not arguments.sheets:
        raise click.UsageError("give the CSV files with the scores, or --slack")
    return scores


def _slack_client(url: str) -> WebClient:
    """Raises ConfigError if there is no token."""
    import os

    from jobs.audit import slack
    from stages.errors import ConfigError

    token = os.environ.get(TOKEN, "")
    if not token:
        raise ConfigError(f"set {TOKEN} to a bot token of your workspace (scopes chat:write and reactions:read)")
    return slack.client(token, url)


def _show(judged: list[Judged], items: int, people: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    answered = sum(line.items for line in judged if line.reason != "all")
    title = f"{answered} of {items} documents judged by {people} people"
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("stage", "reason", "documents", "answers", "score 1–5", "wrong decisions"):
        shown.add_column(name, justify="left" if name in ("stage", "reason") else "right")
    for line in judged:
        score = "" if line.score is None else f"{line.score:.2f}{_interval(line.score_interval, '.2f')}"
        wrong = "" if line.wrong is None else f"{line.wrong:.0%}{_interval(line.wrong_interval, '.0%')}"
        shown.add_row(line.stage, line.reason, str(line.items), str(line.answers), score, wrong)
    Console(width=None if Console().is_terminal else PIPE_WIDTH).print(shown)


def _interval(found: Interval | None, form: str) -> str:
    return "" if found is None else f"  ({found[0]:{form}} to {found[1]:{form}})"
