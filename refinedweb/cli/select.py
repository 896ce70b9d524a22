"""`select`: pages of a crawl, chosen by its index before anything is downloaded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from refinedweb.cli.options import json_option, receives

if TYPE_CHECKING:
    from refinedweb.select.lists import Selected
    from refinedweb.select.scan import IndexCost

COMMON_CRAWL = "s3://commoncrawl"
REQUEST_DOLLARS = 0.4 / 1e6  # of a GET of S3 in us-east-1, where Common Crawl lies


@dataclass(frozen=True)
class SelectArguments:
    """What `refinedweb select` takes."""

    index: str
    out: str
    dumps: tuple[str, ...]
    languages: tuple[str, ...]
    hosts: tuple[str, ...]
    host_lists: tuple[str, ...]
    tlds: tuple[str, ...]
    paths: tuple[str, ...]
    mimes: tuple[str, ...]
    statuses: tuple[int, ...]
    base: str | None
    list_size: int
    as_json: bool


@click.command()
@click.argument("index")
@click.argument("out")
@click.option("--dump", "dumps", multiple=True, help="A crawl such as CC-MAIN-2026-05; repeatable [default: all].")
@click.option("--language", "languages", multiple=True, help="ISO 639 code, one of the page's three; repeatable.")
@click.option("--host", "hosts", multiple=True, help="A host, or a domain with all hosts below it; repeatable.")
@click.option("--hosts", "host_lists", multiple=True, metavar="FILE", help="A file with such a host per line.")
@click.option("--tld", "tlds", multiple=True, help="A top-level domain such as is; repeatable.")
@click.option("--path", "paths", multiple=True, help="A pattern of the URL's path, such as '/recipes/*'; repeatable.")
@click.option("--mime", "mimes", multiple=True, help="A detected media type; repeatable [default: HTML and XHTML].")
@click.option("--status", "statuses", type=int, multiple=True, help="A status of HTTP; repeatable [default: 200].")
@click.option("--base", help="What the WARC files' names are below [default: what INDEX is below].")
@click.option(
    "--list-size", type=click.IntRange(1), default=256, show_default=True,
    help="MB of records in each list, which is a shard of the run.",
)  # fmt: skip
@json_option
@receives(SelectArguments)
def select(arguments: SelectArguments) -> None:
    """Choose pages by the columnar index at INDEX, and write lists of their records below OUT, the input of a run.

    INDEX is Common Crawl's table (s3://commoncrawl/cc-index/table/cc-main/warc), a crawl's folder in it, or a copy.
    All conditions must hold; of a repeated option, one must. A run fetches only the listed records.
    """
    from refinedweb.select.lists import write_lists
    from refinedweb.select.query import page_query
    from refinedweb.select.scan import IndexCost, index_files, places
    from refinedweb.storage import open_store

    hosts = [*arguments.hosts, *(line for name in arguments.host_lists for line in _lines(name))]
    query = page_query(arguments.languages, hosts, arguments.tlds, arguments.paths, arguments.mimes, arguments.statuses)
    files, cost = index_files(arguments.index, arguments.dumps), IndexCost()
    base = arguments.base or _base(arguments.index)
    selected = write_lists(places(files, query, cost), base, open_store(arguments.out), arguments.list_size * 10**6)
    if arguments.as_json:
        click.echo(json.dumps({"selected": asdict(selected), "index": asdict(cost)}))
    else:
        _show(selected, cost, arguments.out)


def _lines(name: str) -> list[str]:
    from refinedweb.storage import split_uri

    store, key = split_uri(name)
    lines = store.get(key)[0].decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.partition("#")[0].strip()]


def _base(index: str) -> str:
    """The bucket or folder of which INDEX is `cc-index/…`; Common Crawl's bucket if it is a copy of another kind."""
    above, found, _ = index.partition("/cc-index/")
    return above if found else COMMON_CRAWL


def _show(selected: Selected, cost: IndexCost, out: str) -> None:
    from refinedweb.views.terminal import command
    from refinedweb.views.units import size

    click.echo(
        f"Index: {cost.files:,} files, {cost.rows:,} rows; {cost.groups_skipped:,} of "
        f"{cost.groups_skipped + cost.groups_read:,} row groups ruled out by their statistics; "
        f"{size(cost.bytes_read)} read in {cost.requests:,} requests."
    )
    if not selected.records:
        click.echo("No page fits: nothing was written.", err=True)
        raise click.exceptions.Exit(1)
    dollars = selected.requests * REQUEST_DOLLARS
    click.echo(
        f"{selected.records:,} records in {selected.files:,} files, {size(selected.bytes)}. A run fetches "
        f"{size(selected.bytes_fetched)} in {selected.requests:,} requests (${dollars:,.4f} on S3)."
    )
    click.echo(f"{selected.lists:,} lists → {out}")
    priced = command(["plan", "--from", "SAMPLE", "--input", out])
    click.echo(f"Next: {command(['run', 'falcon', out, 'OUT'])}, or what it costs: {priced}")
