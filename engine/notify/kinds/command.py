"""Channels that run a program with the webhook's JSON on its standard input.

The program gets a session of its own, a chosen part of the environment and a deadline; what it started ends
with it, as with a `shell` step.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.clock import Clock
from engine.model import LogRecord
from engine.notify.delivery import DeliveryError, Message
from engine.notify.kinds.console import NoticeBoard
from engine.notify.payload import encoded, idempotency
from engine.telemetry.tracing import traceparent
from engine.workflows.steps.base import CheckError, StepContext, StepError
from engine.workflows.steps.child import Ended, Launch, environment, run_child

if TYPE_CHECKING:
    from engine.config.routing import CommandSpec

_OUTPUT_LIMIT = 65_536
_HOPELESS = frozenset({64, 65, 66, 67, 68, 77, 126, 127})
"""Exit statuses (sysexits.h, and what shells say of a command) that another try would not change."""


class CommandKind:
    """Serves all commands."""

    async def send(self, channel: str, spec: CommandSpec, message: Message) -> None:
        """Return when the program exited with 0. Raises DeliveryError."""
        context = StepContext(traceparent(secrets.token_hex(16), secrets.token_hex(8)), spec.timeout)
        told = {"TOCSIN_CHANNEL": channel, "TOCSIN_KEY": idempotency(message), "TOCSIN_TITLE": message.title}
        env = environment(spec.inherit, told | spec.env, context)
        try:
            with tempfile.TemporaryFile() as stdin:
                stdin.write(encoded(channel, message) + b"\n")
                stdin.flush()
                os.lseek(stdin.fileno(), 0, os.SEEK_SET)
                launch = Launch(spec.run, env, spec.cwd, _OUTPUT_LIMIT, stdin.fileno())
                ended = await run_child(launch, spec.timeout)
        except StepError as error:
            raise DeliveryError(error.message, permanent=isinstance(error, CheckError)) from None
        except OSError as error:
            raise DeliveryError(f"no room for what {channel} is to read: {error.strerror}") from None
        _check(launch.name, ended)


def _check(name: str, ended: Ended) -> None:
    if ended.returncode != 0:
        hopeless = ended.status in _HOPELESS
        raise DeliveryError(ended.sentence(name), permanent=hopeless, refused=ended.returncode > 0)


def kind(clock: Clock, log: Callable[[LogRecord], None], board: NoticeBoard) -> CommandKind:
    """The kind `command`."""
    return CommandKind()
