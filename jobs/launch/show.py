"""What `job launch` prints."""

from __future__ import annotations

import json
import shlex

import click

from jobs.launch import image, spec
from jobs.launch.plan import LaunchPlan
from jobs.launch.submit import Launched, console_link


def dry_run(planned: LaunchPlan, region: str, cost: str, quota: str) -> None:
    """The request and the commands of a launch that is not made."""
    job = planned.attempt(1)
    _head(planned, job.image, cost)
    click.echo(f"Quota     {quota}")
    if planned.repository is not None and planned.source is not None:
        click.echo(f"\nUnless {planned.repository.uri} has the tag {planned.source.tag}:")
        login = f"aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin"
        click.echo(f"  {login} {planned.repository.registry}")
        for command in image.build_commands(job.image, planned.source):
            click.echo(f"  {shlex.join(command)}")
    if planned.recipe is not None:
        click.echo(f"\nRecipe:\n  aws s3 cp {shlex.quote(str(planned.recipe))} {job.words[0]}")
    click.echo(f"\ncreate_{job.kind}_job in {region} (named as the next attempt if this one failed or was stopped):")
    click.echo(json.dumps(spec.request(job), indent=2, ensure_ascii=False))
    click.echo(f"\nConsole   {console_link(region, job.kind, job.name)}")
    click.secho("Dry run: nothing was built, written or started.", fg="yellow")


def _head(planned: LaunchPlan, uri: str, cost: str) -> None:
    job, source = planned.attempt(1), planned.source
    mode = "every host alone" if job.share_nothing or job.instances == 1 else "one Ray cluster"
    spot = ", spot" if job.spot else ""
    click.echo(f"Machines  {job.instances} × {job.instance_type}{spot}, {mode} ({job.kind} job)")
    if source is not None:
        click.echo(f"Code      {source.commit}" + (f", {len(source.changed)} files changed" if source.dirty else ""))
    click.echo(f"Image     {uri}")
    click.echo(f"Cost      {cost}")


def launched(launched: Launched, planned: LaunchPlan, region: str, cost: str) -> None:
    """What became of a launch, and where to look next."""
    job = launched.job
    _head(planned, job.image, cost)
    if launched.started:
        click.echo(f"Started   {job.name}" + (" (image built and pushed)" if launched.built else ""))
    else:
        click.secho(f"Not started: {job.name} exists already, {launched.status}", fg="yellow")
        if launched.status == "Completed":
            click.echo("To run it once more, give --again or another OUT")
    click.echo(f"Console   {console_link(region, job.kind, job.name)}")
    click.echo(f"Progress  refinedweb status {job.out}")
