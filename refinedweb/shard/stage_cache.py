"""The stages of a recipe, built once per process: their models and compiled kernels are expensive."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from refinedweb.recipe.assets import localise
from refinedweb.recipe.load import load_stages
from refinedweb.recipe.params import coerce
from stages.base import Stage, build, registry


def built(stages: tuple[tuple[str, dict[str, Any]], ...], imports: tuple[str, ...]) -> list[Stage]:
    """Build the resolved `stages`; remote models are fetched to this machine."""
    return _built(json.dumps(stages), imports)


@lru_cache(maxsize=8)
def _built(stages: str, imports: tuple[str, ...]) -> list[Stage]:
    load_stages(imports)
    instances = []
    for name, values in json.loads(stages):
        cls = registry()[name]
        instances.append(build(name, localise(cls, coerce(cls, values, name))))
    return instances
