"""The audit on Slack: a message for each document, and people's reactions to it as scores.

:one: … :five: score the page, :x: marks a wrong decision. Posts are plain text: no page can mention a channel, set a
link or unfurl one. Posts are noted one by one, so an interrupted audit resumes where it stopped.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from jobs.audit.samples import Item, Score, lines
from refinedweb.storage import Missing, Store
from refinedweb.storage.retry_after import seconds_asked
from refinedweb.views.terminal import printable
from stages.errors import ConfigError, RetryError

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryHandler, RetryState

POSTS = "posts"
SCORES = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
WRONG = "x"
HOW = "React with :one: (useless) to :five: (excellent) for the page as training text, with :x: for a wrong decision."
MOST_WAIT = 300.0  # seconds: what Slack asks for beyond that, it must ask for again
JITTER = 1.0  # seconds: those who were limited together must not come back together
RETRIES = 5  # of a request that Slack limits: it says how long to wait
CONNECTION_RETRIES = 2  # of a request whose connection broke
LONGEST_TITLE = 150  # characters of a header block
LONGEST_TEXT = 2900  # characters of a text block, which takes 3,000
REFUSALS = {
    "not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "no_permission",
    "missing_scope", "channel_not_found", "not_in_channel", "is_archived", "org_login_required", "restricted_action",
}  # fmt: skip


def client(token: str, url: str) -> WebClient:
    """A client that waits as long as Slack asks it to. Raises ConfigError if slack_sdk is not installed."""
    try:
        from slack_sdk import WebClient
        from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler
    except ImportError as error:
        raise ConfigError("Slack needs slack_sdk: pip install 'refinedweb[jobs]'") from error
    limited = _rate_limit_handler()
    disconnected = ConnectionErrorRetryHandler(max_retry_count=CONNECTION_RETRIES)
    return WebClient(token=token, base_url=url, retry_handlers=[limited, disconnected])


def _rate_limit_handler() -> RetryHandler:
    """Waits as long as Slack asks, however it writes that; slack_sdk's own takes whole seconds only, and raises."""
    from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

    class Patient(RateLimitErrorRetryHandler):
        def prepare_for_next_attempt(
            self, *, state: RetryState, request: HttpRequest, response: HttpResponse | None = None,
            error: Exception | None = None,
        ) -> None:  # fmt: skip
            headers = [] if response is None else response.headers.items()
            asked = [value[0] for name, value in headers if name.lower() == "retry-after" and value]
            state.next_attempt_requested = True
            time.sleep(seconds_asked(asked[0] if asked else None, MOST_WAIT) + random.uniform(0.0, JITTER))
            state.increment_current_attempt()

    return Patient(max_retry_count=RETRIES)


def post(slack: WebClient, channel: str, store: Store, items: Iterable[Item]) -> int:
    """Post each item that is not posted yet. Returns how many were posted."""
    posted = 0
    for item in items:
        key = f"{POSTS}/{item.item}.json"
        if _note(store, key) is None:
            answer = _call(slack, "chat.postMessage", **message(channel, item))
            store.put(key, lines([{"channel": answer["channel"], "ts": answer["ts"]}]))
            posted += 1
    return posted


def message(channel: str, item: Item) -> dict[str, Any]:
    """The arguments of chat.postMessage. Blocks of plain text take 3,000 characters, headers 150."""
    title = printable(item.decision).replace("\n", " ")[:LONGEST_TITLE]
    blocks = [_plain("header", title)]
    if item.url:
        blocks.append(_plain("section", printable(item.url)[:LONGEST_TEXT]))
    blocks.append(_plain("section", printable(item.text)[:LONGEST_TEXT] or "(no text)"))
    if item.beside:
        blocks += [_plain("section", "Its duplicate:"), _plain("section", printable(item.beside)[:LONGEST_TEXT])]
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": f"{HOW} {item.item}"}]})
    fallback = f"{title} ({item.item})".replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    quiet = {"unfurl_links": False, "unfurl_media": False, "mrkdwn": False}
    return {"channel": channel, "text": fallback, "blocks": blocks, **quiet}


def _plain(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, "text": {"type": "plain_text", "text": text, "emoji": False}}


def read_reactions(slack: WebClient, store: Store, items: Iterable[Item]) -> list[Score]:
    """Everyone's scores of the posted items. Two scores by one person for one item count as none."""
    found: list[Score] = []
    for item in items:
        note = _note(store, f"{POSTS}/{item.item}.json")
        if note is not None:
            answer = _call(slack, "reactions.get", channel=note["channel"], timestamp=note["ts"], full=True)
            found += scores_of(item.item, answer["message"].get("reactions", []))
    return found


def scores_of(item: str, reactions: Iterable[dict[str, Any]]) -> list[Score]:
    """The scores that the reactions to an item express, sorted by user."""
    given: dict[str, list[int]] = {}
    wrong: set[str] = set()
    for reaction in reactions:
        for user in reaction["users"]:
            if reaction["name"] in SCORES:
                given.setdefault(user, []).append(SCORES[reaction["name"]])
            elif reaction["name"] == WRONG:
                wrong.add(user)
    return [
        Score(item, user, given[user][0] if len(given.get(user, [])) == 1 else None, user in wrong)
        for user in sorted(set(given) | wrong)
        if len(given.get(user, [])) == 1 or user in wrong
    ]


def _note(store: Store, key: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(store.get(key)[0]))
    except Missing:
        return None


def _call(slack: WebClient, method: str, **arguments: Any) -> Any:
    """Slack's answer. Raises ConfigError for what the user must fix, else RetryError."""
    from slack_sdk.errors import SlackApiError, SlackClientError

    calls: dict[str, Any] = {"chat.postMessage": slack.chat_postMessage, "reactions.get": slack.reactions_get}
    try:
        return calls[method](**arguments)
    except SlackApiError as error:
        code = str(error.response.get("error", error))
        if code in REFUSALS:
            raise ConfigError(f"Slack, {method}: {code}; check the token's scopes and the channel") from error
        raise RetryError(f"Slack, {method}: {code}; run the same command again: it resumes") from error
    except (SlackClientError, OSError) as error:
        raise RetryError(f"Slack, {method}: {error}; run the same command again: it resumes") from error
