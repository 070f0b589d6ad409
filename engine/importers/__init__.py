"""Configurations of other tools, translated; what has no counterpart is listed, never dropped silently."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from engine.errors import TocsinError
from engine.importers.draft import Draft, Imported
from engine.text import own_words

__all__ = ["SOURCES", "Imported", "translate"]

SOURCES = {
    "gatus": "a configuration file of Gatus",
    "uptime-kuma": "a backup of Uptime Kuma, in JSON",
    "blackbox": "the modules of a blackbox_exporter",
    "curl": "a curl command line",
    "openapi": "an OpenAPI or Swagger description, in YAML or JSON",
}
MAX_CHARACTERS = 16 * 1024 * 1024


def translate(source: str, text: str, targets: Sequence[str] = ()) -> Imported:
    """`text` of one of `SOURCES` as a configuration.

    Args:
        targets: addresses, where the source names none: what blackbox modules probe, where an API is.

    Raises:
        TocsinError: the text is not of that kind, or nothing in it could be translated.
    """
    if len(text) > MAX_CHARACTERS:
        raise TocsinError(f"what is imported has at most {MAX_CHARACTERS:,} characters, this has more")
    module = importlib.import_module(f"engine.importers.{source.replace('-', '_')}")
    draft = Draft(source)
    try:
        module.translate(text, draft, tuple(targets))
    except TocsinError:
        raise
    except Exception as error:  # border: a foreign file may have any shape
        raise TocsinError(f"this is not the shape of {SOURCES[source]}: {own_words(error, 200)}") from error
    return draft.finish()
