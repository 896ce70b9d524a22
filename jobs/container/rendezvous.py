"""How the hosts of a job find each other and learn about its end: a few small objects below OUT/jobs/<job>/.

Every host must reach the store anyway, so there is no other service, port or protocol that can fail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from refinedweb.ledger.layout import job_folder
from refinedweb.storage import Missing, Store, open_store
from refinedweb.storage.json_objects import Unreadable, load_object


@dataclass(frozen=True)
class Ended:
    """The head's last word. `code`: 0 if the run is complete."""

    code: int
    message: str = ""


class Meeting:
    """The meeting place of one job."""

    def __init__(self, out: str, job: str) -> None:
        self._store: Store = open_store(out)
        self._folder = job_folder(job)

    def open(self) -> None:
        """Called by the head before anything else: SageMaker may restart the same job, which then has not ended."""
        self._store.delete(f"{self._folder}/ended.json")

    def join(self, host: str) -> None:
        """Announce that this host takes part."""
        self._store.put(f"{self._folder}/hosts/{host}", b"")

    def joined(self) -> set[str]:
        """The hosts that take part, or took part before the job was restarted."""
        prefix = f"{self._folder}/hosts/"
        return {info.key.removeprefix(prefix) for info in self._store.list(prefix)}

    def end(self, ended: Ended) -> None:
        """Called by the head when nothing is left to do: every host may exit."""
        self._store.put(f"{self._folder}/ended.json", json.dumps(ended.__dict__).encode())

    def ended(self) -> Ended | None:
        """The head's last word, if it has been said, even if it cannot be understood."""
        key = f"{self._folder}/ended.json"
        try:
            return load_object(Ended, self._store.get(key)[0], self._store.uri(key), "see the head's log")
        except Missing:
            return None
        except Unreadable as error:
            return Ended(1, str(error))
