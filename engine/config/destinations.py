"""Whether channels lead anywhere, as far as can be told without sending.

Apart from loading: the library that knows all kinds of destinations takes a third of a second to come up.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from engine.config.messages import did_you_mean
from engine.config.report import Report
from engine.config.yaml_guard import parse_yaml
from engine.errors import Problem
from engine.text import plain

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig


def check_destinations(loaded: LoadedConfig) -> list[Problem]:
    """A problem for each channel of the chosen environment whose `url` names no destination."""
    if not loaded.config.channels:
        return []
    report = Report(str(loaded.path), parse_yaml(loaded.text, str(loaded.path))[0])
    for name, channel in loaded.config.channels.items():
        if channel.url is not None and (wrong := _wrong(channel.url)):
            over = ("overlays", loaded.environment, "channels", name, "url")
            is_over = report.walk(over)[0] == over
            report.at(over if is_over else ("channels", name, "url"), *wrong)
    return report.problems(loaded.secrets)


def _wrong(url: str) -> tuple[str, str] | None:
    """Message and hint when nothing can be sent to `url`."""
    from engine.notify.delivery import DeliveryError
    from engine.notify.kinds.destination import check_url, known_schemes

    logger = logging.getLogger("apprise")
    level = logger.level
    # What the library has to say about a URL, it says with its secrets.
    logger.setLevel(logging.CRITICAL + 1)
    try:
        check_url(url)
        return None
    except DeliveryError as error:
        scheme, separator, _ = url.partition("://")
        if not separator or scheme.lower() in known_schemes():
            return error.message, error.hint
        hint = did_you_mean(scheme, known_schemes()) or "such as mailto://, ntfy:// or slack://"
        return f"there is no kind of destination `{plain(scheme, 40)}://`", hint
    finally:
        logger.setLevel(level)
