"""`job launch`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from refinedweb.cli.options import receives
from refinedweb.cli.run import run
from stages.errors import ConfigError

if TYPE_CHECKING:
    from jobs.launch.image import Repository, Source
    from jobs.launch.plan import LaunchPlan
    from jobs.launch.spec import Job

# what `refinedweb run` takes and a job passes on; workers and address are the container's business
PASSED_ON = ("overrides", "limit", "index", "base", "imports", "lease")


@dataclass(frozen=True)
class LaunchArguments:
    """What `refinedweb job launch` takes; the last six are passed on to `refinedweb run`."""

    recipe: str
    paths: tuple[str, ...]
    instances: int
    instance_type: str
    spot: bool
    share_nothing: bool
    role: str | None
    image_repository: str | None
    image: str | None
    region: str | None
    allow_dirty: bool
    min_hosts: int | None
    join_minutes: float
    max_hours: float
    volume: int
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    kms_key: str | None
    encrypt_traffic: bool
    environment: tuple[str, ...]
    secrets: tuple[str, ...]
    tags: tuple[str, ...]
    hours: float | None
    price: float | None
    parts: int | None
    chain: str | None
    again: bool
    dry_run: bool
    overrides: tuple[str, ...]
    limit: int | None
    index: tuple[str, ...]
    base: str | None
    imports: tuple[str, ...]
    lease: float


@click.command(context_settings={"show_default": True})
@click.argument("recipe")
@click.argument("paths", metavar="INPUT... OUT", nargs=-1, required=True)
@click.option("--instances", type=click.IntRange(1), default=1, help="Machines; more than 100 make it a Training job.")
@click.option("--type", "instance_type", default="ml.c5.18xlarge", help="Type of the machines.")
@click.option("--spot", is_flag=True, help="Use managed spot instances (a Training job).")
@click.option("--share-nothing", is_flag=True, help="No Ray cluster: every host runs alone and claims shards.")
@click.option("--role", envvar="SAGEMAKER_ROLE", help="ARN of the role that the job runs as [default: yours].")
@click.option("--image-repository", metavar="URI", help="ECR repository for the image of this commit.")
@click.option("--image", metavar="URI", help="A ready image instead.")
@click.option("--region", help="AWS region [default: that of the repository, or of your AWS settings].")
@click.option("--allow-dirty", is_flag=True, help="Launch although files differ from the commit.")
@click.option("--min-hosts", type=int, help="Fewest hosts with which a cluster starts [default: all but a tenth].")
@click.option("--join-minutes", type=click.FloatRange(0), default=10.0, help="How long a cluster waits for all hosts.")
@click.option("--max-hours", type=click.FloatRange(min=0, min_open=True), default=216.0, help="The job's time limit.")
@click.option("--volume", type=click.IntRange(1), default=100, help="Disk of each instance, GB.")
@click.option("--subnet", "subnets", multiple=True, help="Run in your VPC; repeatable, with --security-group.")
@click.option("--security-group", "security_groups", multiple=True)
@click.option("--kms-key", metavar="KEY", help="KMS key: encrypts the volumes and every object that is written.")
@click.option("--encrypt-traffic", is_flag=True, help="Encrypt what the hosts send to each other.")
@click.option("--env", "environment", metavar="NAME=VALUE", multiple=True, help="For the container; repeatable.")
@click.option(
    "--secret",
    "secrets",
    metavar="NAME=ARN",
    multiple=True,
    help="A variable whose value the container fetches from Secrets Manager or SSM; repeatable.",
)
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="On the job; repeatable.")
@click.option("--hours", type=float, help="How long you expect it to run, to estimate the cost.")
@click.option("--price", type=float, help="$ per instance and hour, to estimate the cost.")
@click.option("--parts", type=click.IntRange(2), help="Run the input in N parts, one job after the other.")
@click.option("--chain", metavar="FILE", help="Where the parts are written down, here or on S3 [default: here].")
@click.option("--again", is_flag=True, help="Start although the same launch completed before.")
@click.option("--dry-run", is_flag=True, help="Print the request and the commands; change nothing.")
@receives(LaunchArguments)
def launch(arguments: LaunchArguments) -> None:
    """Start RECIPE over INPUT... on SageMaker, writing below OUT: `refinedweb run` on many machines.

    Builds and pushes the image of this checkout's commit unless ECR has it. The same command again starts no second
    job: it shows the existing one or, if that failed or was stopped, starts another that resumes from the ledger.

    With --parts, it starts the first part; `job watch` carries the parts from the first to the last. Part N writes to
    OUT/part-N and takes all earlier ones as its --index.
    """
    from jobs.launch import in_parts, show, spec, submit
    from jobs.launch import plan as planning
    from jobs.launch.quota import check_quota
    from refinedweb.recipe.load import load as load_recipe

    if arguments.chain is not None and arguments.parts is None:
        raise click.UsageError("--chain goes with --parts")
    planned, region = _plan(arguments)
    if arguments.kms_key is not None:
        os.environ[spec.KMS_KEY] = arguments.kms_key  # for what the launch itself writes
    cost = planning.cost_line(planned.job.instances, arguments.hours, arguments.price)
    quota = check_quota(planned.job, region)
    if arguments.parts is not None:
        recipe = load_recipe(arguments.recipe, arguments.overrides, arguments.imports)
        asked = in_parts.PartsAsked(arguments.parts, arguments.chain, recipe, arguments.paths[:-1], arguments.base)
        told = f"{cost}, all parts together; quota: {quota}"
        in_parts.launch(asked, planned, region, told, dry_run=arguments.dry_run)
        return
    if arguments.dry_run:
        show.dry_run(planned, region, cost, quota)
        return
    launched = submit.launch(planned, submit.Aws(region), again=arguments.again)
    show.launched(launched, planned, region, cost)


launch.params += [parameter for parameter in run.params if parameter.name in PASSED_ON]


def _plan(arguments: LaunchArguments) -> tuple[LaunchPlan, str]:
    """The launch, and the region where it happens."""
    from jobs.launch import plan as planning
    from refinedweb.recipe.load import load as load_recipe

    if len(arguments.paths) < 2:
        raise click.UsageError("give at least one INPUT and then OUT")
    planning.check_reachable(arguments.paths, "INPUT or OUT")
    planning.check_reachable(arguments.index, "--index")
    planning.check_assets(load_recipe(arguments.recipe, arguments.overrides, arguments.imports))
    repository, source = _code(arguments)
    region = arguments.region or (repository.region if repository else _region())
    image = arguments.image or f"{arguments.image_repository}:{source.tag if source else ''}"
    job = _job(arguments, image, region)
    return planning.plan(job, arguments.recipe, source, repository, allow_dirty=arguments.allow_dirty), region


def _job(arguments: LaunchArguments, image: str, region: str) -> Job:
    """The job, without its name and its secret."""
    from jobs.launch import spec

    environment = {"AWS_DEFAULT_REGION": region, **_cost(arguments), **_pairs("--env", arguments.environment)}
    return spec.Job(
        name="",
        role=_role(arguments, region),
        image=image,
        words=(arguments.recipe, *arguments.paths, *_run_options()),
        out=arguments.paths[-1],
        secret="",
        instances=arguments.instances,
        instance_type=arguments.instance_type,
        spot=arguments.spot,
        share_nothing=arguments.share_nothing,
        volume_gb=arguments.volume,
        max_seconds=round(arguments.max_hours * 3600),
        min_hosts=arguments.min_hosts,
        join_seconds=round(arguments.join_minutes * 60),
        subnets=arguments.subnets,
        security_groups=arguments.security_groups,
        environment=environment,
        tags=_pairs("--tag", arguments.tags),
        secrets=_pairs("--secret", arguments.secrets),
        kms_key=arguments.kms_key,
        encrypt_traffic=arguments.encrypt_traffic,
    )


def _role(arguments: LaunchArguments, region: str) -> str:
    """The role of the job; for a dry run a placeholder will do."""
    from jobs.launch.role import LATER, find_role

    if arguments.role is not None:
        return arguments.role
    try:
        return find_role(region)
    except ConfigError as error:
        if not arguments.dry_run:
            raise
        click.echo(f"{error}. The job's name depends on it, too.", err=True)
        return LATER


def _cost(arguments: LaunchArguments) -> dict[str, str]:
    """Dollars per hour of what one driver reports on: all instances of a cluster, or its own if they share nothing."""
    from refinedweb.engine.metrics import PRICE

    if arguments.price is None:
        return {}
    return {PRICE: f"{arguments.price * (1 if arguments.share_nothing else arguments.instances):g}"}


def _code(arguments: LaunchArguments) -> tuple[Repository | None, Source | None]:
    """The repository, and the state of the code for it; for a ready image the code is not known."""
    from jobs.launch import image

    if (arguments.image is None) == (arguments.image_repository is None):
        raise click.UsageError("give either --image-repository (build there), or --image (one that is ready)")
    if arguments.image_repository is None:
        return None, None
    return image.Repository.parse(arguments.image_repository), image.source_of()


def _region() -> str:
    import boto3

    region = boto3.session.Session().region_name
    if region is None:
        raise ConfigError("the AWS region is not known: give --region, or set AWS_DEFAULT_REGION")
    return str(region)


def _run_options() -> Iterator[str]:
    """The options of `refinedweb run` that were given on the command line, as words."""
    context = click.get_current_context()
    for option in run.params:
        given = context.get_parameter_source(option.name or "")
        if option.name not in PASSED_ON or given is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params[option.name]
        for one in value if isinstance(option, click.Option) and option.multiple else [value]:
            yield from (option.opts[0], str(one))


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise ConfigError(f"{option} {name!r}: write NAME=VALUE")
        if name in pairs:
            raise ConfigError(f"{option} {name} is given twice")
        pairs[name] = value
    return pairs
