"""`doctor`: whether this machine and a store are fit for a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from refinedweb.doctor import Check

UNFIT = 1  # exit code


@click.command()
@click.argument("store", required=False)
def doctor(store: str | None) -> int:
    """Check that this machine is fit, and that STORE (an s3:// prefix or a folder) does what the ledger needs."""
    from refinedweb.doctor import check_machine, check_store

    fit = _show(check_machine())
    if store is not None:
        click.echo(f"\n{store}:")
        fit = _show(check_store(store)) and fit
    return 0 if fit else UNFIT


def _show(checks: Iterable[Check]) -> bool:
    """Print each check as it is made. True if all are fit."""
    fit = True
    for check in checks:
        fit = fit and check.fit
        click.secho("ok   " if check.fit else "UNFIT", fg="green" if check.fit else "red", nl=False)
        click.echo(f"  {check.name}: {check.found}" + ("" if check.fit else f"; {check.advice}"))
    return fit
