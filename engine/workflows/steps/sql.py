"""The `sql` step: one query that reads, of SQLite, PostgreSQL or MySQL.

```yaml
id: stuck-orders
sql:
  url: postgresql://monitor@db.example/shop     # or sqlite:/var/lib/shop.db, mysql://monitor@db.example/shop
  password: "${env:SHOP_DB_PASSWORD:-}"
  tls: true
  query: select count(*) as stuck, min(created) as oldest from orders where state = :state
  params: {state: waiting}
expect: ["row.stuck < 5", "duration < 2s"]
extract: {oldest: row.oldest}
```

`value` is the first column of the first row, `row` the first row, `rows` all of them. PostgreSQL needs the
extra `tocsin[postgres]`, MySQL and MariaDB `tocsin[mysql]`. The transaction is read-only, but a function of
the server may still do what it likes: let the user be one that may read, and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator

from engine.clock import Clock
from engine.config.types import Strict
from engine.lines import spelled
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.text import plain
from engine.workflows.steps.base import Reply, StepContext, StepError
from engine.workflows.steps.dial import wrong
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.sql_common import Place, Question, Table, fields_of, parse_place
from engine.workflows.steps.threads import Threads

if TYPE_CHECKING:
    from engine.workflows.steps.resolver import Resolver

LOCK_SHARE = 0.8
"""Of the step's time, spent at most on waiting for another's lock, so that the reason can be told."""

_SYSTEMS = {"sqlite": "sqlite", "postgres": "postgresql", "mysql": "mysql"}


def _params(value: Any) -> Any:
    known = (str, int, float, bool, type(None))
    if not isinstance(value, dict) or not all(
        isinstance(name, str) and name.isidentifier() and isinstance(item, known)
        for name, item in value.items()
    ):
        raise ValueError("params is a mapping of names to texts, numbers, true, false or null")
    return value


class SqlSpec(Strict):
    """One query.

    Keys:
        url: `sqlite:path`, `postgresql://user@host:port/database` or `mysql://user@host:port/database`; a
            password in it is percent-encoded.
        user, password: as they are, instead of those of the URL.
        query: one statement that reads. Values are never part of its text: write `:name`, and `params`.
        params: values by name.
        max_rows: a query that gives more fails.
        tls: whether TLS is spoken; `verify` checks the server's certificate, `ca` is a file in PEM with
            authorities trusted instead of the public ones, `certificate` and `key` are the client's.
    """

    url: Annotated[str, Field(min_length=1)]
    user: str | None = None
    password: str | None = None
    query: Annotated[str, Field(min_length=1)]
    params: Annotated[
        Any, Field(default_factory=dict), AfterValidator(_params), WithJsonSchema({"type": "object"})
    ]
    max_rows: Annotated[int, Field(ge=1, le=10_000)] = 100
    tls: bool = False
    verify: bool = True
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    @field_validator("url")
    @classmethod
    def _is_place(cls, value: str) -> str:
        if "{{" not in value:
            parse_place(value)
        return value

    @field_validator("query")
    @classmethod
    def _is_fixed(cls, value: str) -> str:
        if "{{" in value:
            raise ValueError("a query holds no placeholder: write :name, and the value in params")
        return value

    @model_validator(mode="after")
    def _files_belong_to_tls(self) -> SqlSpec:
        if not self.tls and (self.certificate or self.key or self.ca):
            raise ValueError("certificate, key and ca belong to tls: true")
        if self.key and not self.certificate:
            raise ValueError("key belongs to a certificate")
        return self


SQL_FIELDS = frozenset({"value", "row", "rows", "row_count", "duration", "dns", "connect", "transfer"})


class SqlStep:
    """Serves all sql steps; each query has a connection of its own."""

    name = "sql"

    def __init__(self, clock: Clock, resolver: Resolver | None = None) -> None:
        from engine.workflows.steps.resolver import Resolver

        self._clock = clock
        self._resolver = Resolver() if resolver is None else resolver
        self._threads = Threads()

    def target(self, spec: SqlSpec) -> str:
        """`postgres://host:port/database`, or `sqlite:path`."""
        place = _place(spec)
        if place.kind == "sqlite":
            return plain(f"sqlite:{place.database}", 300)
        return plain(f"{place.kind}://{place.host}:{place.port}/{place.database}", 300)

    async def run(self, spec: SqlSpec, context: StepContext) -> Reply:
        """Ask, and take the rows.

        Raises:
            StepError: the database cannot be reached, refuses, takes too long, or gives too much.
            CheckError: the query would write, or the driver is not installed.
        """
        place, probe = _place(spec), Probe(spec.verify)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(context.timeout):
                table = await self._ask(place, spec, probe, context.timeout)
        except TimeoutError:
            seconds = spelled(round(context.timeout, 3))
            message = f"no answer from {place.name} within {seconds} ({_doing(probe)})"
            failure = Failure(message, ErrorType.TIMEOUT, ErrorCategory.DATABASE)
            raise StepError(failure, probe.phases) from None
        fields = {**fields_of(table), "duration": time.perf_counter() - started, **probe.seconds}
        attributes: dict[str, Scalar] = {
            "db.system.name": _SYSTEMS[place.kind],
            "db.namespace": plain(place.database, 200),
            "db.response.returned_rows": len(table.rows),
        }
        return Reply(fields, probe.phases, attributes)

    async def close(self) -> None:
        await self._resolver.close()

    async def _ask(self, place: Place, spec: SqlSpec, probe: Probe, timeout: float) -> Table:
        question = Question(spec.query, spec.params, spec.max_rows)
        if place.kind == "sqlite":
            from engine.workflows.steps.sql_sqlite import ask_sqlite

            probe.begin("transfer")
            table = await ask_sqlite(place, question, timeout * LOCK_SHARE, self._threads)
            probe.end()
            return table
        addresses = await self._resolver.resolve(place.host, probe)
        if place.kind == "mysql":
            from engine.workflows.steps.sql_mysql import ask_mysql

            return await ask_mysql(place, question, spec, addresses, probe, timeout, self._threads)
        from engine.workflows.steps.sql_postgres import ask_postgres

        return await ask_postgres(place, question, spec, addresses, probe, timeout)


def _place(spec: SqlSpec) -> Place:
    try:
        return parse_place(spec.url, spec.user, spec.password)
    except ValueError as error:
        raise wrong(str(error)) from None


def _doing(probe: Probe) -> str:
    return {"transfer": "query"}.get(probe.phase, probe.phase)
