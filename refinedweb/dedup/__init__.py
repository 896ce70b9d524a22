"""The steps that need the whole corpus: phases of tasks that read documents or shuffle objects, and write decisions.

context, planning              what a step's tasks share; its blocks and partitions
phase, tasks                   how a phase runs, and the two common kinds of phase
shuffle, exchange, routes      how rows get from the tasks of one phase to those of another
clusters, keys, components,    documents that share a key: one of each cluster is kept
  candidates, election
decide                         decisions about shards
substrings, paragraphs, spans  passages that occur more than once: they are cut out of the texts
index                          documents of earlier runs
"""

from __future__ import annotations

from collections.abc import Iterator

from refinedweb.dedup import clusters, paragraphs, substrings
from refinedweb.dedup.context import Context
from refinedweb.dedup.phase import Phase
from stages.dedup import Clustered
from stages.errors import ConfigError
from stages.paragraph import Paragraph
from stages.substring.stage import Substring

__all__ = ["phases_of"]


def phases_of(context: Context) -> Iterator[Phase]:
    """The phases of a global step, in order. Request each only when the phases before it are complete.

    Raises ConfigError for a stage of an unknown kind.
    """
    stage = context.stage
    if isinstance(stage, Clustered):
        return clusters.phases(context)
    if isinstance(stage, Substring):
        return substrings.phases(context)
    if isinstance(stage, Paragraph):
        return paragraphs.phases(context)
    raise ConfigError(f"{stage.name} reads the whole corpus, but is not a clustered stage; see stages/dedup.py")
