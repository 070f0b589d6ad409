"""How a secret may be written, so that it is found in whatever form it comes back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from html import escape
from urllib.parse import quote, quote_plus

from engine.text import clean

SHORTEST = 6
"""A secret of fewer characters would blank out ordinary words and numbers."""

# What httpx leaves as it is in the parts of a URL: the percent-encode sets of https://url.spec.whatwg.org.
_HOST = "!$%&'()*+,;=\"`{|}\\"
_USERINFO = "!$%&'()*+,:"
_PATH = "!$%&'()*+,/:;=@[\\]^|"
_QUERY = _PATH + "?`{}"
_FRAGMENT = _PATH + "?#{}"
_HEX = re.compile("%[0-9A-F]{2}")


def spellings(secret: str) -> Iterator[str]:
    """Raw, cleaned, as a host or in a URL, in JSON or HTML, inside base64; those of at least 6 characters."""
    known = secret.encode("utf-8", "replace").decode()
    for write in _WRITERS:
        form = write(known)
        if len(form) >= SHORTEST:
            yield form
            if "%" in form:
                yield _HEX.sub(lambda escaped: escaped[0].lower(), form)
    yield from _base64(known.encode())


def _in_url(text: str) -> str:
    """As it stands in a URL from the path on, where a `?` or `#` of its own begins the next part."""
    rest, hash_, fragment = text.partition("#")
    path, mark, query = rest.partition("?")
    return "".join((quote(path, _PATH), mark, quote(query, _QUERY), hash_, quote(fragment, _FRAGMENT)))


_WRITERS: tuple[Callable[[str], str], ...] = (
    str,
    str.lower,
    clean,
    quote,
    quote_plus,
    lambda text: quote(text, ""),
    lambda text: quote(text.lower(), _HOST),
    lambda text: quote(text, _USERINFO),
    lambda text: quote(text, _QUERY),
    _in_url,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    escape,
)


def _base64(secret: bytes) -> Iterator[str]:
    """The part of the base64 of any text with the secret in it that depends on the secret alone.

    A secret begins at one of three places within a group of three bytes.
    """
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret).decode()
        start = (0, 2, 3)[shift]
        spoiled = (len(secret) + shift) % 3
        core = encoded[start : len(encoded) - (0, 3, 2)[spoiled]]
        if len(core) >= SHORTEST:
            yield core
            yield core.replace("+", "-").replace("/", "_")
