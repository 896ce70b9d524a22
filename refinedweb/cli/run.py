"""`run`: a recipe over inputs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import click

from refinedweb.cli.options import ADDRESS, imports_option, overrides_option, receives, workers_option

KMS_KEY = "REFINEDWEB_S3_KMS_KEY"  # which the workers get too
METRICS = "REFINEDWEB_METRICS"
LEASE_SECONDS = 60.0  # the engine's default (`refinedweb.ledger.claims`), which is too expensive to import for --help
PATIENCE_MINUTES = 90.0  # `PATIENCE_SECONDS` in `refinedweb.engine.policy`


@dataclass(frozen=True)
class RunArguments:
    """What `refinedweb run` takes."""

    recipe: str
    paths: tuple[str, ...]
    overrides: tuple[str, ...]
    workers: int | None
    address: str | None
    limit: int | None
    index: tuple[str, ...]
    base: str | None
    imports: tuple[str, ...]
    lease: float
    patience: float
    as_json: bool
    metrics: tuple[str, ...]
    kms_key: str | None
    accept_failed: str
    check_inputs: bool

    @property
    def settings(self) -> tuple[str, ...]:
        """All `STAGE.PARAM=VALUE`; --limit is one of them."""
        return self.overrides if self.limit is None else (*self.overrides, f"limit={self.limit}")

    @property
    def words(self) -> list[str]:
        """The options that decide the output, as they are written."""
        pairs = [("--set", self.settings), ("--import", self.imports), ("--index", self.index)]
        return [word for option, values in pairs for value in values for word in (option, value)]


@click.command()
@click.argument("recipe")
@click.argument("paths", metavar="INPUT... OUT", nargs=-1, required=True)
@overrides_option
@workers_option
@click.option(
    "--address", envvar=ADDRESS, help="Use a running Ray cluster (`auto` or HOST:PORT) instead of this machine."
)
@click.option("--limit", type=click.IntRange(1), help="Read only the first N documents of each input file.")
@click.option(
    "--index",
    metavar="OUT",
    multiple=True,
    help="An earlier run to deduplicate against: its documents stay, their duplicates here are removed.",
)
@click.option("--base", metavar="URI", help="The prefix of the entries in a list of paths (warc.paths.gz).")
@imports_option
@click.option(
    "--lease", type=click.FloatRange(1), default=LEASE_SECONDS, show_default=True, help="Seconds until a claim expires."
)
@click.option(
    "--patience",
    type=click.FloatRange(0),
    default=PATIENCE_MINUTES,
    show_default=True,
    help="Minutes to wait for a store that throttles or does not answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--metrics",
    metavar="emf|FILE.prom",
    multiple=True,
    envvar=METRICS,
    help="Emit progress: to stdout for CloudWatch, or to a file for Prometheus; repeatable.",
)
@click.option(
    "--kms-key", metavar="ARN|ID", help="Encrypt every object that is written to S3 with this KMS key (SSE-KMS)."
)
@click.option(
    "--accept-failed",
    metavar="N|N%",
    default="0",
    show_default=True,
    help="Go on without up to N failed shards, or a share of all; they are recorded as lost.",
)
@click.option(
    "--check-inputs", is_flag=True, help="List the inputs again, and refuse if they are not those of the run."
)
@receives(RunArguments)
def run(arguments: RunArguments) -> int:
    """Run RECIPE over INPUT... and write everything below OUT.

    RECIPE is a shipped name (refinedweb, falcon, fineweb, dump), the path of a .toml file, or stage names joined by
    commas. INPUT and OUT are local paths or s3:// prefixes; inputs may be globs, lists of paths (warc.paths.gz), `-`
    for standard input, or lie at https://, hf://, gs:// and az:// (with refinedweb[remote]).

    The same command again resumes where the last one stopped; several of them running at the same time, on any
    machines, share the work. The inputs are listed once, when the run begins; each is checked when it is read.
    """
    from refinedweb.recipe.load import load as load_recipe

    if len(arguments.paths) < 2:
        raise click.UsageError("give at least one INPUT and then OUT")
    if arguments.kms_key is not None:
        if not arguments.paths[-1].startswith("s3://"):
            raise click.UsageError("--kms-key encrypts objects on S3, and OUT is not there")
        os.environ[KMS_KEY] = arguments.kms_key
    recipe = load_recipe(arguments.recipe, arguments.settings, arguments.imports, arguments.index)
    from refinedweb.engine.allowance import Allowance

    accept = Allowance.parse(arguments.accept_failed)
    from refinedweb.cli.execution import Execution, execute_recipe  # with Ray: a wrong recipe is reported before that
    from refinedweb.cli.lost import RunCommand

    out = arguments.paths[-1]
    execution = Execution(
        workers=arguments.workers,
        address=arguments.address,
        lease=arguments.lease,
        patience=60 * arguments.patience,
        base=arguments.base,
        as_json=arguments.as_json,
        metrics=arguments.metrics,
        accept=accept,
        check=arguments.check_inputs,
        command=RunCommand(sys.argv[1:], arguments.recipe, arguments.words, out),
    )
    return execute_recipe(recipe, arguments.paths[:-1], out, execution)
