"""Channels of any URL that apprise understands: mail, chat, text messages and a hundred more."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.notify.delivery import DeliveryError, Message
from engine.text import own_words, plain

if TYPE_CHECKING:
    from apprise import Apprise

SEND_DEADLINE = 20.0
HANGING_LIMIT = 4
ERROR_LIMIT = 400
HIDDEN = "***"
_SOCKET_TIMEOUTS = {"cto": 5, "rto": 10}
_STATUS = re.compile(r"\berror=[345]\d\d\b")
"""How apprise words that a server answered, and not with 2xx."""
_SCHEME = re.compile(r"^[A-Za-z][\w.+-]*://")


class AppriseSender:
    """Sends through apprise, each message in a daemon thread of its own.

    A server that trickles its answer can hold a thread longer than any socket timeout. Such a thread is left
    behind after `deadline` seconds and counted in `hanging`; a channel with 4 gets no more until one ends.
    """

    def __init__(self, deadline: float = SEND_DEADLINE) -> None:
        self._deadline = deadline
        self._services: dict[tuple[str, str], Apprise] = {}
        self._hanging: Counter[str] = Counter()

    @property
    def hanging(self) -> int:
        """Threads left behind that have not ended."""
        return self._hanging.total()

    async def send(self, channel: str, url: str, message: Message) -> None:
        """Return when the destination took the message. Raises DeliveryError."""
        if self._hanging[channel] >= HANGING_LIMIT:
            raise DeliveryError(f"{HANGING_LIMIT} earlier messages still hang; not sent", refused=True)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()

        def deliver() -> None:
            problem = self._deliver(channel, url, message.title, f"{message.body}\n({message.key})")
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(self._settle, channel, done, problem)

        try:
            threading.Thread(target=deliver, name=f"notify-{channel}", daemon=True).start()
        except RuntimeError as error:
            raise DeliveryError(f"no thread to send it in: {own_words(error)}") from None
        try:
            async with asyncio.timeout(self._deadline):
                problem = await done
        except TimeoutError:
            problem = f"no answer within {self._deadline:g} s"
        finally:
            if done.cancelled():
                self._hanging[channel] += 1
                self._services.pop((channel, url), None)
        if problem:
            raise DeliveryError(redact(problem, url), refused=_STATUS.search(problem) is not None)

    def _settle(self, channel: str, done: asyncio.Future[str], problem: str) -> None:
        if done.cancelled():
            self._hanging[channel] -= 1
        else:
            done.set_result(problem)

    def _deliver(self, channel: str, url: str, title: str, body: str) -> str:
        """Send, in this thread; an empty string when taken, else why not."""
        try:
            service = self._services.get((channel, url)) or _service(url)
            self._services[channel, url] = service
            with service.notify(body=body, title=title, body_format="text") as result:
                if result:
                    return ""
                reasons = [entry.message for entry in result.logs()]
        except Exception as error:  # noqa: BLE001 - border: a plugin's fault is a failed delivery
            return own_words(error, ERROR_LIMIT)
        return "; ".join(dict.fromkeys(reasons)) or "the destination did not take it"


def redact(text: str, url: str) -> str:
    """`text` on one safe line, with the URL and every part of it that may be a secret hidden."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return plain(text, ERROR_LIMIT)


def _secrets(url: str) -> set[str]:
    """What of a URL must not be repeated; in many of its schemes apprise has a token in place of the host."""
    found = {url: 1}
    try:
        parts = urlsplit(_SCHEME.sub("x://", url))
        user, _, host = parts.netloc.rpartition("@")
        found |= dict.fromkeys([user, *user.split(":")], 3)
        host = host.partition(":")[0]
        if "." not in host and host != "localhost":
            found[host] = 5
        found |= dict.fromkeys(parts.path.split("/"), 5)
        found |= dict.fromkeys((value for _, value in parse_qsl(parts.query)), 5)
    except ValueError:
        return {url}
    forms = ((form, shortest) for part, shortest in found.items() for form in (part, unquote(part)))
    return {form for form, shortest in forms if len(form) >= shortest}


def check_url(url: str) -> None:
    """Whether messages can be sent to `url`; nothing is sent.

    Raises:
        DeliveryError: it names no destination, or several.
    """
    _service(url)


def known_schemes() -> frozenset[str]:
    """What URLs of destinations may begin with, such as `mailto` and `ntfy`."""
    from apprise.manager_plugins import NotificationManager

    manager: Any = NotificationManager
    return frozenset(manager().schemas())


def _service(url: str) -> Apprise:
    """One destination. Raises DeliveryError when the URL is not exactly that."""
    from apprise import Apprise, AppriseAsset

    # Sequential and without its own timeout, apprise sends in this thread; its pool would be joined at exit.
    asset = AppriseAsset(async_mode=False, service_timeout=0, storage_mode="memory")
    service = Apprise(asset=asset)
    if not service.add(_with_timeouts(url)):
        raise DeliveryError("not a URL apprise understands", "check the url: of the channel")
    if len(service) != 1:
        raise DeliveryError("the URL names several destinations", "give each its own channel")
    return service


def _with_timeouts(url: str) -> str:
    """The URL with socket timeouts (seconds), unless it sets its own."""
    missing = [f"{name}={value}" for name, value in _SOCKET_TIMEOUTS.items() if f"{name}=" not in url]
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(missing)}" if missing else url
