"""The registry of step types: one file and one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from engine.clock import Clock
from engine.config.types import Strict
from engine.workflows.steps.assertion import ASSERT_FIELDS, AssertSpec, AssertStep
from engine.workflows.steps.base import StepBase, StepType
from engine.workflows.steps.dns import DNS_FIELDS, DnsSpec, DnsStep
from engine.workflows.steps.grpc import GRPC_FIELDS, GrpcSpec, GrpcStep
from engine.workflows.steps.heartbeat import HEARTBEAT_FIELDS, HeartbeatSpec, HeartbeatStep
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HTTP_FIELDS, HttpSpec
from engine.workflows.steps.icmp import ICMP_FIELDS, IcmpSpec, IcmpStep
from engine.workflows.steps.python import PYTHON_FIELDS, PythonSpec, PythonStep
from engine.workflows.steps.shell import SHELL_FIELDS, ShellSpec, ShellStep
from engine.workflows.steps.sql import SQL_FIELDS, SqlSpec, SqlStep
from engine.workflows.steps.tcp import TCP_FIELDS, TcpSpec, TcpStep
from engine.workflows.steps.tls import TLS_FIELDS, TlsSpec, TlsStep
from engine.workflows.steps.udp import UDP_FIELDS, UdpSpec, UdpStep
from engine.workflows.steps.wait import WAIT_FIELDS, WaitSpec, WaitStep
from engine.workflows.steps.websocket import WEBSOCKET_FIELDS, WebSocketSpec, WebSocketStep
from engine.workflows.steps.workflow import WORKFLOW_FIELDS, WorkflowSpec, WorkflowStep


@dataclass(frozen=True, slots=True)
class StepKind:
    """A step type: what a file may say, the fields of its replies, and what makes the one that serves all."""

    spec: type[Strict]
    fields: frozenset[str]
    make: Callable[[Clock], StepType]


STEP_KINDS: dict[str, StepKind] = {
    "dns": StepKind(DnsSpec, DNS_FIELDS, DnsStep),
    "grpc": StepKind(GrpcSpec, GRPC_FIELDS, GrpcStep),
    "heartbeat": StepKind(HeartbeatSpec, HEARTBEAT_FIELDS, HeartbeatStep),
    "http": StepKind(HttpSpec, frozenset(HTTP_FIELDS), HttpStep),
    "icmp": StepKind(IcmpSpec, ICMP_FIELDS, IcmpStep),
    "assert": StepKind(AssertSpec, ASSERT_FIELDS, AssertStep),
    "python": StepKind(PythonSpec, PYTHON_FIELDS, PythonStep),
    "shell": StepKind(ShellSpec, SHELL_FIELDS, ShellStep),
    "sql": StepKind(SqlSpec, SQL_FIELDS, SqlStep),
    "tcp": StepKind(TcpSpec, TCP_FIELDS, TcpStep),
    "tls": StepKind(TlsSpec, TLS_FIELDS, TlsStep),
    "udp": StepKind(UdpSpec, UDP_FIELDS, UdpStep),
    "wait": StepKind(WaitSpec, WAIT_FIELDS, WaitStep),
    "websocket": StepKind(WebSocketSpec, WEBSOCKET_FIELDS, WebSocketStep),
    "workflow": StepKind(WorkflowSpec, WORKFLOW_FIELDS, WorkflowStep),
}

if TYPE_CHECKING:
    StepSpec = StepBase
else:
    _fields: dict[str, Any] = {name: (kind.spec | None, None) for name, kind in STEP_KINDS.items()}
    StepSpec = create_model("StepSpec", __base__=StepBase, __doc__=StepBase.__doc__, **_fields)
