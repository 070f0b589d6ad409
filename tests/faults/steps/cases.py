"""All cases, and the rows of the fault plan that each step type has to meet."""

from __future__ import annotations

from itertools import chain

from tests.faults.steps.carrying import Case
from tests.faults.steps.cases_children import child_cases
from tests.faults.steps.cases_datagrams import datagram_cases
from tests.faults.steps.cases_names import name_cases
from tests.faults.steps.cases_own import own_cases
from tests.faults.steps.cases_sql import sql_cases
from tests.faults.steps.cases_streams import stream_cases
from tests.faults.steps.cases_talk import talk_cases
from tests.faults.steps.cases_tls import tls_cases

CASES: tuple[Case, ...] = tuple(
    chain(
        stream_cases(),
        talk_cases(),
        tls_cases(),
        name_cases(),
        datagram_cases(),
        sql_cases(),
        child_cases(),
        own_cases(),
    )
)

# 47: expressions; 54: broken peers; 55: bombs and endless answers; 56: redirects; 57: certificates;
# 58: names; 60: databases; 61: commands; 62: functions; 63: deadlines within deadlines.
ROWS: dict[str, frozenset[int]] = {
    "assert": frozenset({47}),
    "dns": frozenset({54, 58}),
    "grpc": frozenset({54, 55, 57, 58}),
    "heartbeat": frozenset({54}),
    "http": frozenset({54, 55, 56, 57, 58}),
    "icmp": frozenset({54, 58}),
    "python": frozenset({62}),
    "shell": frozenset({61}),
    "sql": frozenset({54, 57, 58, 60}),
    "tcp": frozenset({54, 57, 58}),
    "tls": frozenset({54, 57, 58}),
    "udp": frozenset({54, 58}),
    "wait": frozenset({63}),
    "websocket": frozenset({54, 55, 57, 58}),
    "workflow": frozenset({54, 63}),
}
