"""Who leads to a document that has not left, by what is kept at each: the same as following them one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from refinedweb.dedup.departed import NOBODY, leads

addresses = st.integers(0, 30)
names = st.one_of(addresses, st.just(int(NOBODY)))
departed = st.dictionaries(addresses, st.tuples(names, st.booleans(), st.booleans()), max_size=20)


def one_by_one(found: dict[int, tuple[int, bool, bool]], start: int) -> bool:
    """Whether `start` leads there. A circle of ends leads there, too."""
    at, seen = start, set()
    while at in found:
        kept, goes_on, ends = found[at]
        if at in seen:
            return ends
        seen.add(at)
        if not goes_on or (kept == int(NOBODY) and not ends):
            return False
        if kept == int(NOBODY):
            return True
        at = kept
    return True


@given(departed)
def test_following_all_at_once_finds_what_following_one_by_one_finds(found: dict[int, tuple[int, bool, bool]]) -> None:
    circles_are_alike = all(ends for _, _, ends in found.values()) or not any(ends for _, _, ends in found.values())
    if not circles_are_alike:  # in a run, only steps that find spans make circles
        found = {at: (kept, goes_on, False) for at, (kept, goes_on, _) in found.items()}
    address = np.array(sorted(found), np.uint64)
    rows = [found[at] for at in sorted(found)]
    kept_at = np.array([row[0] for row in rows], np.uint64)
    goes_on, ends = (np.array([row[k] for row in rows], bool) for k in (1, 2))
    assert leads(address, kept_at, goes_on, ends).tolist() == [one_by_one(found, at) for at in sorted(found)]
