"""Warms an installation, for the image's build: everything imports and all kernels are compiled.

`python -m jobs.warm [RECIPE...]` runs the recipes over the sample crawl: what they import and compile is what a run
imports and compiles. Without a name, it runs all shipped recipes, and one for the kernels that they leave out.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import refinedweb
from jobs.patches import ray_program
from refinedweb import sample
from refinedweb.doctor import check_machine
from refinedweb.recipe.load import shipped

# kernels that no shipped recipe needs
MORE = "url_v1,extract_v1,exact_v1,paragraph_v1"
MORE_SETTINGS = ("extract_v1.engine=blocks",)
# imported only by nodes and drivers, not by a run in this process; the program is Ray's own
ALSO = ("ray", ray_program()[-1], "boto3", "jobs.container.entry", "jobs.cli")


def warm(recipes: Sequence[str]) -> list[str]:
    """Import, check and compile. Returns what is wrong with this installation."""
    for name in ALSO:
        import_module(name)
    crawl = [str(path) for path in sample.crawl_files()]
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(recipes or [*shipped(), MORE]):
            settings = [f"url_v1.blocklist={sample.blocklist()}", *(MORE_SETTINGS if name == MORE else ())]
            refinedweb.run(name, crawl, str(Path(folder, str(number))), settings)
            print(f"{name}: ready", flush=True)
    needed = {"compiled kernels", "language model", "ray"}
    checks = [check for check in check_machine() if check.name in needed]
    return [f"{check.name}: {check.found}" for check in checks if not check.fit]


if __name__ == "__main__":
    sys.exit("\n".join(warm(sys.argv[1:])) or 0)
