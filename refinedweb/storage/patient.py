"""A store whose calls are repeated for as long as a driver can wait: throttling and gaps of access cost their own time.

The store itself gives up after about half a minute, which suits a worker: its task is tried again elsewhere. A driver
has no elsewhere. While it waits it goes on with what must not stop (`meanwhile`: renewing claims, showing progress).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, BinaryIO, TypeVar

from refinedweb.storage.base import Changed, Exists, Missing, ObjectInfo, Sink, Store
from stages.errors import CommitUnknown, ConfigError, Full, RefinedWebError, RetryError, Unfinished

R = TypeVar("R")

DENIED_SECONDS = 600.0  # patience with "access denied" from a store that has given access before
FIRST_WAIT = 1.0  # seconds; doubled by each try
MOST_WAIT = 30.0  # seconds
TURN = 1.0  # seconds between two calls of `meanwhile`


class PatientStore:
    """`store` with `patience` in seconds. `meanwhile` is called every second of a wait with the reason for it.

    Raises Unfinished when patience is used up. A full disk (Full) is raised at once, and so is ConfigError before the
    store's first answer (then the call itself is wrong) or with `denied` = 0, the patience with ConfigError after it.
    """

    def __init__(
        self,
        store: Store,
        patience: float,
        meanwhile: Callable[[str], None] = lambda reason: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        denied: float = DENIED_SECONDS,
    ) -> None:
        self.itself = store
        self.root = store.root
        self.parallel = store.parallel
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._denied = denied
        self._answered = False
        self.while_waiting(meanwhile)

    def while_waiting(self, meanwhile: Callable[[str], None]) -> None:
        """Call `meanwhile` while a call from this thread waits. (Claims and displays are not made for several.)"""
        self._meanwhile = meanwhile
        self._thread = threading.get_ident()

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker gets the store itself: what it cannot do now, another one does."""
        return _same, (self.itself,)

    def uri(self, key: str) -> str:
        return self.itself.uri(key)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """A listing that breaks off is begun again, without what it has already given."""
        last = ""
        pages: Iterator[ObjectInfo] | None = None

        def following() -> ObjectInfo | None:
            nonlocal pages
            pages = iter(self.itself.list(prefix)) if pages is None else pages
            try:
                return next((info for info in pages if info.key > last), None)
            except RefinedWebError:
                pages = None
                raise

        while (info := self.repeat(following)) is not None:
            last = info.key
            yield info

    def info(self, key: str) -> ObjectInfo:
        return self.repeat(lambda: self.itself.info(key))

    def get(self, key: str) -> tuple[bytes, str]:
        return self.repeat(lambda: self.itself.get(key))

    def part(self, key: str, offset: int, size: int) -> bytes:
        return self.repeat(lambda: self.itself.part(key, offset, size))

    def put(self, key: str, data: bytes) -> str:
        return self.repeat(lambda: self.itself.put(key, data))

    def put_new(self, key: str, data: bytes) -> str:
        return self._conditional(key, data, lambda: self.itself.put_new(key, data))

    def put_match(self, key: str, data: bytes, etag: str) -> str:
        return self._conditional(key, data, lambda: self.itself.put_match(key, data, etag))

    def _conditional(self, key: str, data: bytes, write: Callable[[], str]) -> str:
        """A refusal that follows on doubt may be about our own write: then the object has our bytes."""
        tries = count()

        def tried() -> str:
            first = next(tries) == 0
            try:
                return write()
            except (Exists, Changed):
                if first or (etag := self._etag_if(key, data)) is None:
                    raise
                return etag

        return self.repeat(tried)

    def _etag_if(self, key: str, data: bytes) -> str | None:
        try:
            found, etag = self.itself.get(key)
        except Missing:
            return None
        return etag if found == data else None

    def open(self, key: str, *, random: bool = False) -> BinaryIO:
        return self.repeat(lambda: self.itself.open(key, random=random))

    def create(self, key: str) -> Sink:
        return self.repeat(lambda: self.itself.create(key))

    def delete(self, key: str) -> None:
        self.repeat(lambda: self.itself.delete(key))

    def delete_many(self, keys: Sequence[str]) -> None:
        self.repeat(lambda: self.itself.delete_many(keys))

    def throttled(self) -> str | None:
        return self.itself.throttled()

    def tidy(self) -> None:
        self.repeat(self.itself.tidy)

    def repeat(self, call: Callable[[], R]) -> R:
        """Repeat a call that may be made more than once, until it succeeds or patience is used up."""
        since = self._clock()
        for attempt in count():
            try:
                answer = call()
            except (Missing, Exists, Changed):
                self._answered = True
                raise
            except (RetryError, CommitUnknown, ConfigError) as error:
                if self._clock() - since >= self._patience_with(error):
                    raise Unfinished(_given_up(error, self._clock() - since)) from error
                self._wait(attempt, error)
            else:
                self._answered = True
                return answer
        raise AssertionError("only an answer or an error ends the loop")

    def _patience_with(self, error: RefinedWebError) -> float:
        """Seconds. Raises the error if no wait can help."""
        if isinstance(error, ConfigError):
            if not self._answered or self._denied == 0:
                raise error
            return min(self._patience, self._denied)
        if isinstance(error, Full):
            raise error
        return self._patience

    def _wait(self, attempt: int, error: RefinedWebError) -> None:
        """Back off, a random time so that drivers that fail together don't come back together."""
        until = self._clock() + random.uniform(0.5, 1.0) * min(MOST_WAIT, FIRST_WAIT * 2.0 ** min(attempt, 9))
        while (left := until - self._clock()) > 0:  # by the clock: in a storm, to renew claims takes a minute itself
            if threading.get_ident() == self._thread:
                self._meanwhile(self.throttled() or f"waiting for the store: {error}")
            self._sleep(min(TURN, left))


def impatient(store: Store) -> Store:
    """The store without patience, for what may as well be done later."""
    return store.itself if isinstance(store, PatientStore) else store


def _same(store: Store) -> Store:
    return store


def _given_up(error: RefinedWebError, seconds: float) -> str:
    then = "what is committed is safe: run the same command again, and it goes on from there"
    return f"the store has given no good answer for {seconds / 60:.0f} minutes, at last: {error}; {then}"
