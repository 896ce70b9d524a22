"""Internals of other packages that this floor changes, each with the reason, and a check that they are as expected.

numba: `cache=True` names a kernel's cache files after the kernel's own source file. After a change to a function that
the kernel calls, numba would go on using the old machine code, and after the move of a class that a signature names it
could not even read its index. So the names of our cache files contain a digest. Known to hold for numba 0.61 to 0.68.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from classifiers.kernels.once import alone


def name_cache(dispatcher: Any, digest: str) -> None:
    """Make the digest a part of the names of a compiled function's cache files.

    Raises ImportError if this numba's cache is not as expected: stale machine code would compute wrong numbers.
    """
    try:
        from numba.core.caching import IndexDataCacheFile

        cache = dispatcher._cache
        cache._cache_file = IndexDataCacheFile(
            cache_path=cache.cache_path,
            filename_base=f"{cache._impl.filename_base}.{digest}",
            source_stamp=cache._impl.locator.get_source_stamp(),
        )
    except (ImportError, AttributeError, TypeError) as error:
        import numba

        raise ImportError(
            f"numba {numba.__version__} keeps its cache in another way ({error}); install numba 0.61 to 0.68, "
            "or change classifiers/patches.py"
        ) from error


def without_literals(dispatcher: Any) -> None:
    """Let other kernels' calls with constants use the machine code for any value.

    Raises ImportError if this numba finds the code for a call in another way.
    """
    from numba.core.types import unliteral  # type: ignore[attr-defined]

    try:
        found = dispatcher.get_call_template
    except AttributeError as error:
        raise ImportError("this numba types calls in another way: install numba 0.61 to 0.68") from error

    def get_call_template(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        return found(tuple(map(unliteral, args)), {name: unliteral(of) for name, of in kws.items()})

    dispatcher.get_call_template = get_call_template


def compile_once(dispatcher: Any, file: Path) -> None:
    """Let other processes that want the same kernel wait for its machine code. `file`: the kernel's module.

    Raises ImportError if this numba compiles in another way.
    """
    from numba.core.compiler_lock import global_compiler_lock

    try:
        lock, found = Path(dispatcher._cache.cache_path, f"{file.stem}.lock"), dispatcher.compile
    except AttributeError as error:
        raise ImportError("this numba compiles in another way: install numba 0.61 to 0.68") from error

    def compile(sig: Any) -> Any:
        with global_compiler_lock:
            if sig in dispatcher.overloads:
                return found(sig)
            with alone(lock):
                return found(sig)

    dispatcher.compile = compile
