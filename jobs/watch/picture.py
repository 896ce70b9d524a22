"""Where a chain is, as text: a bar of its links, and a line for the ones that matter now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jobs.watch.decide import Event

WIDTH = 40  # characters of the bar
NEAR = 2  # links before and after the present one that get a line
DONE, NOW, WAITING, GIVEN_UP = "#", ">", ".", "x"


def picture(names: Sequence[str], history: Sequence[Event], progress: str = "") -> str:
    """The bar and the lines. `names`: of the links' jobs; `progress`: what the present one has done."""
    last = history[-1] if history else Event("launch", 0, 0)
    done = {event.link for event in history if event.action == "done"}
    signs = "".join(
        DONE if link in done else (GIVEN_UP if last.action == "give-up" else NOW) if link == last.link else WAITING
        for link in range(len(names))
    )
    lines = [f"[{_bar(signs)}] {len(done)} of {len(names)} done"]
    for link in range(max(0, last.link - NEAR), min(len(names), last.link + NEAR + 1)):
        launches = [event.attempt for event in history if event.action == "launch" and event.link == link]
        attempt = f", attempt {launches[-1]}" if launches and launches[-1] > 1 else ""
        lines.append(f"  {link + 1:>4}  {names[link]}: {_state(link, last, link in done)}{attempt}")
        if link == last.link and progress and link not in done:
            lines[-1] += f", {progress}"
    return "\n".join(lines)


def _state(link: int, last: Event, done: bool) -> str:
    if done:
        return "done"
    if link != last.link:
        return "waits"
    return {"stop": "is being stopped", "give-up": "given up"}.get(last.action, "runs" if last.attempt else "waits")


def _bar(signs: str) -> str:
    """The signs, or for a long chain every n-th part of it by what is least far."""
    if len(signs) <= WIDTH:
        return signs
    order = GIVEN_UP + NOW + WAITING + DONE
    edges = [n * len(signs) // WIDTH for n in range(WIDTH + 1)]
    return "".join(min(signs[a:b], key=order.index) for a, b in pairwise(edges))
