"""Virtual time: many threads, of which only one runs at a time.

A thread that sleeps gives the turn to the one that is due next. So a run of hours takes moments, and the same seed
gives the same run. `in_virtual_time` makes the code of `refinedweb` use it, whichever way it imported its clocks.
"""

from __future__ import annotations

import heapq
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import FunctionType, ModuleType
from typing import Any

POLL_SECONDS = 0.25  # how often a thread that waits for a future looks at it
_real = {"monotonic": time.monotonic, "sleep": time.sleep, "time": time.time}


class Killed(BaseException):
    """The simulated process is dead: nothing that it would still do may happen."""


class TimeUp(BaseException):
    """The simulation has reached its limit: something hangs."""


@dataclass
class Process:
    """What shares a clock and one fate: a driver with its threads, or one attempt of a worker."""

    host: str
    dead: bool = False
    rate: float = 1.0  # seconds that its clock shows per second
    offset: float = 0.0  # seconds by which its clock was wrong at the start
    paces: dict[str, Any] = field(default_factory=dict)
    number: int = field(default_factory=count().__next__)


@dataclass
class _Thread:
    time: VirtualTime
    turn: Any = field(default_factory=threading.Lock)
    work: Callable[[], object] | None = None
    process: Process = field(default_factory=lambda: Process("none"))
    due: int = -1


_here = threading.local()


def process() -> Process:
    """The simulated process to which the running thread belongs."""
    return _thread().process


def _thread() -> _Thread:
    found: _Thread = _here.thread
    return found


class VirtualTime:
    """The time that all threads share, and whose turn it is."""

    def __init__(self, limit: float = float("inf")) -> None:
        self.now = 0.0
        self.limit = limit
        self._due: list[tuple[float, int, _Thread]] = []
        self._order = count()
        self._idle: list[_Thread] = []
        self._all: list[threading.Thread] = []
        self._over = threading.Lock()
        self._errors: list[BaseException] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Give the turn away for `seconds`. A thread that this time did not begin is alone, and moves it on."""
        thread = getattr(_here, "thread", None)
        if thread is None:
            self.now += max(0.0, seconds)
        else:
            self._wait(thread, seconds)

    def _wait(self, thread: _Thread, seconds: float) -> None:
        due = self._due
        when = self.now + max(0.0, seconds)
        while due and due[0][1] != due[0][2].due:
            heapq.heappop(due)  # it was woken earlier
        if not due or due[0][0] > when:
            self.now = when
        else:
            self._push(thread, when)
            self._pass_on()
            thread.turn.acquire()
        if self.now > self.limit:
            raise TimeUp(f"the simulation has not ended after {self.limit:.0f} s")

    def _push(self, thread: _Thread, when: float) -> None:
        thread.due = next(self._order)
        heapq.heappush(self._due, (when, thread.due, thread))

    def _pass_on(self) -> None:
        while self._due:
            when, order, thread = heapq.heappop(self._due)
            if order == thread.due:
                self.now = max(self.now, when)
                thread.turn.release()
                return
        self._over.release()

    def wake(self, thread: _Thread) -> None:
        """End the sleep of another thread now."""
        self._push(thread, self.now)

    def spawn(self, work: Callable[[], object], of: Process, after: float = 0.0) -> None:
        """Begin `work` in a thread of the process `of`, in `after` seconds."""
        thread = self._idle.pop() if self._idle else self._new()
        thread.work, thread.process = work, of
        self._push(thread, self.now + after)

    def _new(self) -> _Thread:
        made = _Thread(self)
        made.turn.acquire()
        self._all.append(threading.Thread(target=self._live, args=(made,), daemon=True))
        self._all[-1].start()
        return made

    def _live(self, thread: _Thread) -> None:
        _here.thread = thread
        while True:
            thread.turn.acquire()
            if thread.work is None:
                return
            try:
                thread.work()
            except Killed:
                pass
            except BaseException as error:
                self._errors.append(error)
            thread.work = None
            self._idle.append(thread)
            self._pass_on()

    def run(self, works: Sequence[Callable[[], object]] = ()) -> None:
        """Run these and all that was spawned to the end. Raises the first error that any of them raised."""
        self._over.acquire()
        for work in works:
            self.spawn(work, Process("none"))
        self._pass_on()
        self._over.acquire()
        self._over.release()
        for thread in self._idle:
            thread.turn.release()
        for real in self._all:
            real.join()
        self._idle, self._all = [], []
        errors, self._errors = self._errors, []
        if errors:
            raise errors[0]


class Signal:
    """Lets one thread sleep until another has something for it."""

    def __init__(self) -> None:
        self._waiting: _Thread | None = None

    def wait(self, seconds: float) -> None:
        thread = self._waiting = _thread()
        try:
            thread.time._wait(thread, seconds)
        finally:
            self._waiting = None
        _check_alive()

    def set(self) -> None:
        if self._waiting is not None:
            self._waiting.time.wake(self._waiting)
            self._waiting = None


def _check_alive() -> None:
    if _thread().process.dead:
        raise Killed


def sleep(seconds: float) -> None:
    """`time.sleep`; raises Killed if the process died in the meantime."""
    thread = getattr(_here, "thread", None)
    if thread is None:
        _real["sleep"](seconds)
        return
    thread.time._wait(thread, seconds)
    _check_alive()


def monotonic() -> float:
    """`time.monotonic` by the clock of the running process."""
    thread = getattr(_here, "thread", None)
    if thread is None:
        return _real["monotonic"]()
    of = thread.process
    return float(thread.time.now * of.rate + of.offset)


def wall() -> float:
    """`time.time` by the clock of the running process."""
    return _real["time"]() if getattr(_here, "thread", None) is None else 1.8e9 + monotonic()


class VirtualFuture(Future[Any]):
    """A future that a thread may wait for without holding up the others."""

    def result(self, timeout: float | None = None) -> Any:
        while not self.done() and getattr(_here, "thread", None) is not None:
            sleep(POLL_SECONDS)
        return super().result(timeout)


class VirtualExecutor:
    """A thread pool whose threads live in virtual time. What is mapped is done by the caller, one after the other."""

    def __init__(self, max_workers: int | None = None, **options: object) -> None:
        del max_workers, options
        self._futures: list[VirtualFuture] = []

    def submit(self, call: Callable[..., Any], *arguments: Any) -> VirtualFuture:
        future, thread = VirtualFuture(), _thread()
        self._futures = [each for each in self._futures if not each.done()] + [future]

        def work() -> None:
            try:
                _check_alive()
                future.set_result(call(*arguments))
            except BaseException as error:
                future.set_exception(error)

        thread.time.spawn(work, thread.process)
        return future

    def map(self, call: Callable[..., Any], *items: Iterable[Any]) -> Iterator[Any]:
        return map(call, *items)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        del cancel_futures
        while wait and not all(future.done() for future in self._futures):
            sleep(POLL_SECONDS)

    def __enter__(self) -> VirtualExecutor:
        return self

    def __exit__(self, *of: object) -> None:
        self.shutdown()


@contextmanager
def in_virtual_time(extra: Sequence[tuple[Any, Any]] = ()) -> Iterator[None]:
    """Exchange clocks, sleeps and thread pools of all modules of `refinedweb`, and the first of each pair of `extra`
    for the second, wherever they are imported or are a default. Threads that no VirtualTime began notice nothing.
    """
    swaps = list(_swaps(extra))
    try:
        _swap_all({id(old): new for old, new in swaps})
        yield
    finally:  # in all modules again: those that were imported in the meantime have the simulation's objects too
        _swap_all({id(new): old for old, new in swaps})


def _swaps(extra: Sequence[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    yield from ((_real["monotonic"], monotonic), (_real["sleep"], sleep), (_real["time"], wall))
    yield ThreadPoolExecutor, VirtualExecutor
    yield from extra


def _swap_all(swaps: dict[int, Any]) -> None:
    for name, module in [*sys.modules.items(), ("refinedweb", time)]:
        if name.partition(".")[0] == "refinedweb":
            _swap(module, swaps)


def _swap(module: ModuleType, swaps: dict[int, Any]) -> None:
    for name, value in list(vars(module).items()):
        if id(value) in swaps:
            setattr(module, name, swaps[id(value)])
        own = getattr(value, "__module__", None) == module.__name__
        functions = vars(value).values() if isinstance(value, type) and own else [value]
        for function in functions:
            if isinstance(function, FunctionType):
                _swap_defaults(function, swaps)


def _swap_defaults(function: FunctionType, swaps: dict[int, Any]) -> None:
    if any(id(value) in swaps for value in function.__defaults__ or ()):
        function.__defaults__ = tuple(swaps.get(id(value), value) for value in function.__defaults__ or ())
    named = function.__kwdefaults__ or {}
    if any(id(value) in swaps for value in named.values()):
        function.__kwdefaults__ = {name: swaps.get(id(value), value) for name, value in named.items()}
