"""What steps on a plain or secured connection say about it."""

from __future__ import annotations

import ssl
from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.config.types import Strict

Upgrade = Literal["ftp", "imap", "ldap", "mysql", "nntp", "pop3", "postgres", "smtp"]


class Secured(Strict):
    """Whom to connect to, and by which names and files TLS goes.

    Keys:
        address: `host:port`.
        starttls: the protocol in which the server is asked for TLS on a connection that begins without.
        server_name: whom TLS asks for and whose certificate it has to be; the host unless said.
        certificate, key: files in PEM, of the client; the key may be in the certificate's file.
        ca: a file in PEM with authorities that are trusted instead of the system's.
    """

    address: Annotated[str, Field(min_length=1)]
    starttls: Upgrade | None = None
    server_name: Annotated[str, Field(min_length=1)] | None = None
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None

    @model_validator(mode="after")
    def _key_has_a_certificate(self) -> Secured:
        if self.key and not self.certificate:
            raise ValueError("key belongs to a certificate")
        return self

    def context(self, verify: bool, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
        """What to shake hands by.

        Raises:
            CheckError: a file cannot be used.
        """
        from engine.workflows.steps.route import context_with

        return context_with(verify, protocols, self.certificate, self.key, self.ca)
