"""The steps that need the whole corpus: phases of tasks that read documents or shuffle objects, and write decisions."""

from __future__ import annotations

from collections.abc import Iterator

from refinedweb.dedup import clusters, paragraphs, substrings
from refinedweb.dedup.context import Context
from refinedweb.dedup.phase import Phase
from stages.dedup import Clustered
from stages.errors import ConfigError
from stages.paragraph import Paragraph
from stages.substring.stage import Substring


def phases_of(context: Context) -> Iterator[Phase]:
    """The phases of a global step in order. Each may be asked for only when those before it are complete.

    Raises ConfigError for a stage that is of no kind we can decide.
    """
    stage = context.stage
    if isinstance(stage, Clustered):
        return clusters.phases(context)
    if isinstance(stage, Substring):
        return substrings.phases(context)
    if isinstance(stage, Paragraph):
        return paragraphs.phases(context)
    raise ConfigError(f"{stage.name} reads the whole corpus, but it is no clustered stage; see stages/dedup.py")
