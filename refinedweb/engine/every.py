"""Something that is done every so often while something else goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def every(seconds: float, call: Callable[[], None], name: str) -> Iterator[None]:
    """Call `call` again and again, `seconds` apart, in a thread called `name` that ends before the block does."""
    over = threading.Event()

    def calls() -> None:
        while not over.wait(seconds):
            call()

    thread = threading.Thread(target=calls, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
