"""`demo`: the whole recipe on the sample crawl."""

from __future__ import annotations

import click

from refinedweb.cli.options import ADDRESS, workers_option


@click.command()
@click.argument("out", default="demo-out")
@workers_option
@click.option("--address", envvar=ADDRESS, help="Use a running Ray cluster instead of this machine.")
def demo(out: str, workers: int | None, address: str | None) -> int:
    """Run the whole recipe on the sample crawl that ships with the package. OUT is ./demo-out by default."""
    from refinedweb import sample
    from refinedweb.cli.execution import Execution, execute_recipe
    from refinedweb.recipe.load import load as load_recipe
    from refinedweb.views.terminal import command

    recipe = load_recipe("refinedweb", [f"url_v1.blocklist={sample.blocklist()}", "keep_removed=full"])
    crawl = [str(path) for path in sample.crawl_files()]
    code = execute_recipe(recipe, crawl, out, Execution(workers=workers, address=address, go_on=True))
    click.echo(f"Look at it:     {command(['report', out])}")
    click.echo(f"Look closer:    {command(['inspect', out, '--stage', 'quality_v1'])}")
    click.echo(f"Check it:       {command(['verify', out])}")
    return code
