"""Whole executions of the steps below HTTP against targets that are well, absent, wrong and silent."""

import os
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.config.loader import load_config
from engine.model import ErrorType, Outcome
from engine.workflows.runner import Runner
from tests.engine.workflows.name_server import name_server, records
from tests.engine.workflows.pki import certify, server_context
from tests.engine.workflows.talking import free_port, listening, nothing_left, polite, silent

FILE = """
version: 1
environments:
  local: {name: shop.test, greeting: "220 ready"}
workflows:
  - id: well
    name: well
    every: 1m
    retry: once
    steps:
      - id: mail
        tcp: {address: "127.0.0.1:MAIL", talk: [{expect: "{{ env.greeting }}"}]}
        extract: {banner: {from: received, regex: "220-(\\\\S+)"}}
      - id: certificate
        tls: {address: "127.0.0.1:TLS", ca: "CA"}
        expect: ["expires_in > 1d", "protocol == TLSv1.3"]
        degraded: ["chain_expires_in > 1w"]
      - id: name
        dns: {name: "{{ env.name }}", server: "NAMES"}
        expect: ["answers contains 192.0.2.1", "ttl >= 60"]
      - id: no-name
        dns: {name: gone.test, server: "NOBODY"}
        expect: ["status == NXDOMAIN"]
  - id: refused
    name: refused
    every: 1m
    retry: once
    steps: [{id: mail, tcp: {address: "127.0.0.1:CLOSED"}}]
  - id: silent
    name: silent
    every: 1m
    retry: once
    steps: [{id: mail, timeout: 200ms, tcp: {address: "127.0.0.1:SILENT", starttls: smtp}}]
  - id: untrusted
    name: untrusted
    every: 1m
    retry: once
    steps: [{id: certificate, tls: {address: "127.0.0.1:TLS"}}]
  - id: unheard
    name: unheard
    every: 1m
    retry: once
    steps: [{id: game, udp: {address: "127.0.0.1:CLOSED", talk: [{send: a}, {expect: b}]}}]
retries:
  once: {max_attempts: 1}
"""


async def test_each_execution_ends_in_its_outcome_and_leaves_nothing(tmp_path: Path) -> None:
    root = certify("Root", is_authority=True, until=2.5)
    authority = tmp_path / "ca.pem"
    authority.write_bytes(root.pem)
    tls = server_context(tmp_path, certify("shop", root, until=5))
    good, gone = records("shop.test. 60 A 192.0.2.1"), records(code=3)
    async with (
        listening(polite) as mail,
        listening(silent, tls) as secured,
        listening(silent) as mute,
        name_server(good) as names,
        name_server(gone) as nobody,
    ):
        values = {"MAIL": mail, "TLS": secured, "SILENT": mute, "CLOSED": free_port()}
        text = FILE.replace("NAMES", names).replace("NOBODY", nobody).replace('"CA"', f'"{authority}"')
        for name, port in values.items():
            text = text.replace(f":{name}", f":{port}")
        file = tmp_path / "rules.yaml"
        file.write_text(text)
        os.chmod(file, 0o600)
        loaded = load_config(file)
        runner = Runner(
            clock=SystemClock(),
            variables=loaded.variables,
            retries=loaded.config.retries,
            on_log=lambda _: None,
        )
        async with nothing_left():
            runs = {
                workflow.id: (await runner.run(workflow, number, 0.0)).execution
                for number, workflow in enumerate(loaded.config.workflows)
            }
            await runner.close()
    assert {name: run.outcome for name, run in runs.items()} == {
        "well": Outcome.DEGRADED,
        "refused": Outcome.FAILED,
        "silent": Outcome.FAILED,
        "untrusted": Outcome.FAILED,
        "unheard": Outcome.FAILED,
    }
    kinds = {name: run.failure.type for name, run in runs.items() if run.failure is not None}
    assert kinds == {
        "refused": ErrorType.NETWORK,
        "silent": ErrorType.TIMEOUT,
        "untrusted": ErrorType.PERMANENT,
        "unheard": ErrorType.NETWORK,
    }
    steps = {step.step_id: step for step in runs["well"].attempts[0].steps}
    assert steps["mail"].attributes["target"] == f"tcp://127.0.0.1:{mail}"
    assert steps["certificate"].reason.startswith("chain_expires_in (2 d 1")
    assert steps["certificate"].phases.tls == pytest.approx(0.5, abs=0.5)
