"""How kernels are compiled: once, whatever constants other kernels call them with."""

from __future__ import annotations

import numpy as np
import pytest
from numba import config

from classifiers.kernels.jit import kernel


@kernel
def add(values, at, twice):  # type: ignore[no-untyped-def]
    return values[at] * (2 if twice else 1)


@kernel
def total(values):  # type: ignore[no-untyped-def]
    at, found = 0, add(values, 0, True) + add(values, 1, twice=False)
    while at < len(values):
        found += add(values, at, at == 1)
        at += 1
    return found


@pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")
def test_a_call_with_constants_uses_the_code_for_any_value() -> None:
    values = np.array([1, 10, 100])
    assert total(values) == 2 + 10 + 1 + 20 + 100
    assert len(add.signatures) == 1  # type: ignore[attr-defined]
    assert add(values, 2, True) == 200
