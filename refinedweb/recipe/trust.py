"""What may be opened for a reader of a run, besides the objects of the run itself.

A run is data that anybody may have written. Its `run.json` names models, lists, earlier runs and input files, and they
are opened with the rights of the reader: a path of this machine, a bucket of the reader's company, a model that the
author of the run put somewhere. So a view opens only what lies below the run's own root, unless the
reader made the run or says that its author is trusted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from classifiers.path_cache import absolute
from stages.errors import ConfigError


class Untrusted(ConfigError):
    """A run names something outside of itself, and nobody said that its author is trusted."""


@dataclass(frozen=True)
class Trust:
    """What the run below `root` may make its reader open: what lies below `root`; if `given`, all that it names."""

    root: str
    given: bool = False

    def allows(self, uri: str) -> bool:
        """Whether the file, folder or object with this full name may be opened."""
        return self.given or is_below(uri, self.root)

    def check(self, uri: str, named_by: str) -> None:
        """Raises Untrusted if it may not be opened. `named_by`: the parameter that names it."""
        if not self.allows(uri):
            raise Untrusted(
                f"{self.root} is not a run of yours, and its {named_by} is outside of it: {uri}. If you trust its "
                "author and want that opened, add --trust (in Python: rw.open(OUT, trust=True))"
            )


def is_below(uri: str, root: str) -> bool:
    """Whether a full name lies below a root of the same kind: no `..` and no link leads out of it."""
    if uri.startswith("s3://") or root.startswith("s3://"):
        return uri.startswith(f"{root.rstrip('/')}/") and ".." not in uri.split("/")
    if "://" in uri or not _within(absolute(uri), absolute(root)):
        return False
    return _within(os.path.realpath(uri), os.path.realpath(root))


def _within(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/")
