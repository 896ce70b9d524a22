"""`job launch`."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import click

from refinedweb.cli.run import run
from stages.errors import ConfigError

if TYPE_CHECKING:
    from jobs.launch.launch import Launched, LaunchPlan

# what `refinedweb run` takes and a job passes on; workers and address are the container's business
PASSED_ON = ("overrides", "limit", "index", "base", "imports", "lease")


@click.command(context_settings={"show_default": True})
@click.argument("recipe")
@click.argument("paths", metavar="INPUT... OUT", nargs=-1, required=True)
@click.option("--instances", type=click.IntRange(1), default=1, help="Machines; more than 100 make it a Training job.")
@click.option("--type", "instance_type", default="ml.c5.18xlarge", help="Their type.")
@click.option("--spot", is_flag=True, help="Managed spot instances (a Training job).")
@click.option("--share-nothing", is_flag=True, help="No Ray cluster: every host runs alone and claims shards.")
@click.option("--role", envvar="SAGEMAKER_ROLE", required=True, help="ARN of the role that the job runs as.")
@click.option("--image-repository", metavar="URI", help="ECR repository for the image of this commit.")
@click.option("--image", metavar="URI", help="A ready image instead.")
@click.option("--region", help="AWS region [default: that of the repository, or of your AWS settings].")
@click.option("--allow-dirty", is_flag=True, help="Launch although files differ from the commit.")
@click.option("--min-hosts", type=int, help="Hosts without which a cluster does not start [default: all but a tenth].")
@click.option("--join-minutes", type=click.FloatRange(0), default=10.0, help="How long a cluster waits for all hosts.")
@click.option("--max-hours", type=click.FloatRange(min=0, min_open=True), default=216.0, help="The job's time limit.")
@click.option("--volume", type=click.IntRange(1), default=100, help="Disk of each instance, GB.")
@click.option("--subnet", "subnets", multiple=True, help="Run in your VPC; repeatable, with --security-group.")
@click.option("--security-group", "security_groups", multiple=True)
@click.option("--env", "environment", metavar="NAME=VALUE", multiple=True, help="For the container; repeatable.")
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="On the job; repeatable.")
@click.option("--hours", type=float, help="How long you expect it to run, for the cost.")
@click.option("--price", type=float, help="$ per instance and hour, for the cost.")
@click.option("--again", is_flag=True, help="Start although the same launch was completed before.")
@click.option("--dry-run", is_flag=True, help="Print the request and the commands; change nothing.")
@click.pass_context
def launch(context: click.Context, /, recipe: str, paths: tuple[str, ...], **how: Any) -> None:
    """Start RECIPE over INPUT... on SageMaker, writing below OUT: `refinedweb run` on many machines.

    Builds and pushes the image of this checkout's commit unless ECR has it. The same command again starts no second
    job: it shows the one there is, or, where that failed or was stopped, starts another that resumes from the ledger.
    """
    from jobs.launch import launch as launching

    planned, region = _plan(context, recipe, paths, how)
    cost = launching.cost_line(planned.job.instances, how["hours"], how["price"])
    if how["dry_run"]:
        _show_dry(planned, region, cost)
        return
    launched = launching.launch(planned, launching.Aws(region), again=how["again"])
    _show(launched, planned, region, cost)


launch.params += [parameter for parameter in run.params if parameter.name in PASSED_ON]


def _plan(context: click.Context, recipe: str, paths: tuple[str, ...], how: dict[str, Any]) -> tuple[LaunchPlan, str]:
    from jobs.launch import launch as launching
    from jobs.launch import spec
    from refinedweb.recipe.load import load as load_recipe

    if len(paths) < 2:
        raise click.UsageError("give at least one INPUT and then OUT")
    launching.check_reachable(paths, "INPUT or OUT")
    launching.check_reachable(how["index"], "--index")
    launching.check_assets(load_recipe(recipe, how["overrides"], how["imports"]))
    repository, source = _code(how)
    chosen = how["image"] or f"{how['image_repository']}:{source.tag if source else ''}"
    region = how["region"] or (repository.region if repository else _region())
    job = spec.Job(
        name="",
        role=how["role"],
        image=chosen,
        words=(recipe, *paths, *_run_options(context)),
        out=paths[-1],
        secret="",
        instances=how["instances"],
        instance_type=how["instance_type"],
        spot=how["spot"],
        share_nothing=how["share_nothing"],
        volume_gb=how["volume"],
        max_seconds=round(how["max_hours"] * 3600),
        min_hosts=how["min_hosts"],
        join_seconds=round(how["join_minutes"] * 60),
        subnets=how["subnets"],
        security_groups=how["security_groups"],
        environment={"AWS_DEFAULT_REGION": region, **_cost(how), **_pairs("--env", how["environment"])},
        tags=_pairs("--tag", how["tags"]),
    )
    return launching.plan(job, recipe, source, repository, allow_dirty=how["allow_dirty"]), region


def _cost(how: dict[str, Any]) -> dict[str, str]:
    """Of what one driver speaks for: of all instances in a cluster, of its own where they share nothing."""
    from refinedweb.engine.metrics import PRICE

    if how["price"] is None:
        return {}
    return {PRICE: f"{how['price'] * (1 if how['share_nothing'] else how['instances']):g}"}


def _code(how: dict[str, Any]) -> tuple[Any, Any]:
    """The repository and the state of the code for it; of a ready image the code is not known."""
    from jobs.launch import image

    if (how["image"] is None) == (how["image_repository"] is None):
        raise click.UsageError("give either --image-repository (build there), or --image (one that is ready)")
    if how["image"] is not None:
        return None, None
    return image.Repository.parse(how["image_repository"]), image.source_of()


def _region() -> str:
    import boto3

    region = boto3.session.Session().region_name
    if region is None:
        raise ConfigError("which region? Give --region, or set AWS_DEFAULT_REGION")
    return str(region)


def _run_options(context: click.Context) -> list[str]:
    """The options of `refinedweb run` that were given, as words."""
    words: list[str] = []
    for option in run.params:
        given = context.get_parameter_source(option.name or "")
        if option.name not in PASSED_ON or given is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params[option.name]
        for one in value if option.multiple else [value]:
            words += [option.opts[0], str(one)]
    return words


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [word.partition("=") for word in given]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise ConfigError(f"{option} {name!r}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _show_dry(planned: LaunchPlan, region: str, cost: str) -> None:
    from jobs.launch import image, spec
    from jobs.launch import launch as launching

    job = planned.attempt(1)
    _show_head(planned, job.image, cost)
    if planned.repository is not None and planned.source is not None:
        click.echo(f"\nUnless {planned.repository.uri} has the tag {planned.source.tag}:")
        login = f"aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin"
        click.echo(f"  {login} {planned.repository.registry}")
        for command in image.build_commands(job.image, planned.source):
            click.echo(f"  {shlex.join(command)}")
    if planned.recipe is not None:
        click.echo(f"\nRecipe:\n  aws s3 cp {shlex.quote(str(planned.recipe))} {job.words[0]}")
    click.echo(f"\ncreate_{job.kind}_job in {region} (the next attempt's name where this one failed or was stopped):")
    click.echo(json.dumps(spec.request(job), indent=2, ensure_ascii=False))
    click.echo(f"\nConsole   {launching.console_link(region, job.kind, job.name)}")
    click.secho("Dry run: nothing was built, written or started.", fg="yellow")


def _show_head(planned: LaunchPlan, uri: str, cost: str) -> None:
    job, source = planned.attempt(1), planned.source
    mode = "every host alone" if job.share_nothing or job.instances == 1 else "one Ray cluster"
    spot = ", spot" if job.spot else ""
    click.echo(f"Machines  {job.instances} × {job.instance_type}{spot}, {mode} ({job.kind} job)")
    if source is not None:
        click.echo(f"Code      {source.commit}" + (f", {len(source.changed)} files changed" if source.dirty else ""))
    click.echo(f"Image     {uri}")
    click.echo(f"Cost      {cost}")


def _show(launched: Launched, planned: LaunchPlan, region: str, cost: str) -> None:
    from jobs.launch import launch as launching

    job = launched.job
    _show_head(planned, job.image, cost)
    if launched.started:
        click.echo(f"Started   {job.name}" + (" (image built and pushed)" if launched.built else ""))
    else:
        click.secho(f"Not started: {job.name} is there already, {launched.status}", fg="yellow")
        if launched.status == "Completed":
            click.echo("To run it once more: --again, or another OUT")
    click.echo(f"Console   {launching.console_link(region, job.kind, job.name)}")
    click.echo(f"Progress  refinedweb status {job.out}")
