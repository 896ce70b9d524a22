"""The steps that need the whole corpus: phases of tasks that read documents or shuffle objects, and write decisions.

context, planning              what a step's tasks share; its blocks and partitions
phase, tasks                   how a phase runs, and the two common kinds of phase
shuffle, exchange, routes      how rows get from the tasks of one phase to those of another
clusters, keys, components,    documents that share a key: one of each cluster is kept
  candidates, election
decide                         decisions about shards
departed, again, amend         who comes again because the one that was kept instead left in a later step
substrings, paragraphs, spans  passages that occur more than once: they are cut out of the texts
index, old                     documents of earlier runs
merged                         the index of several runs in one, as a later run reads it
merge_plan, merging,           how it is made of them
  merge_keys
"""

from __future__ import annotations

from collections.abc import Iterator

from refinedweb.dedup import clusters, paragraphs, substrings
from refinedweb.dedup.amend import amended
from refinedweb.dedup.context import Context
from refinedweb.dedup.phase import Phase
from stages.dedup import Clustered
from stages.errors import ConfigError
from stages.paragraph import Paragraph
from stages.substring.stage import Substring

__all__ = ["phases_of"]


def phases_of(context: Context) -> Iterator[Phase]:
    """The phases of a global step, in order. Request each only when the phases before it are complete.

    The last step of several whose decisions one pass applies also amends them. Raises ConfigError for a stage of an
    unknown kind.
    """
    yield from _own(context)
    yield from amended(context, _own)


def _own(context: Context) -> Iterator[Phase]:
    """The phases in which the step itself decides."""
    stage = context.stage
    if isinstance(stage, Clustered):
        return clusters.phases(context)
    if isinstance(stage, Substring):
        return substrings.phases(context)
    if isinstance(stage, Paragraph):
        return paragraphs.phases(context)
    raise ConfigError(f"{stage.name} reads the whole corpus, but is not a clustered stage; see stages/dedup.py")
