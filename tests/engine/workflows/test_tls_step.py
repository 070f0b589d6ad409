import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from engine.clock import SystemClock
from engine.model import ErrorType, Outcome
from engine.workflows.assertions import parse_expectation
from engine.workflows.plan import judge, plan_step
from engine.workflows.steps import tls
from engine.workflows.steps.base import CheckError, Reply, StepContext, StepError
from engine.workflows.steps.tls import TLS_FIELDS, TlsSpec, TlsStep
from tests.engine.workflows.examples import example_of
from tests.engine.workflows.pki import Paper, certify, server_context
from tests.engine.workflows.servers import resetting
from tests.engine.workflows.talking import free_port, listening, nothing_left, silent

DAY = 86_400.0


@pytest.fixture
async def step() -> AsyncIterator[TlsStep]:
    made = TlsStep(SystemClock())
    yield made
    await made.close()


async def look(
    step: TlsStep, place: Path, root: Paper, *chain: Paper, server: ssl.SSLContext | None = None, **spec: Any
) -> Reply:
    """The step's reply about a server with this chain, trusting `root`."""
    ca = place / "ca.pem"
    ca.write_bytes(root.pem)
    async with listening(silent, server or server_context(place, *chain)) as port, nothing_left():
        given = {"address": f"127.0.0.1:{port}", "ca": str(ca), **spec}
        return await step.run(TlsSpec.model_validate(given), StepContext("", 2.0))


def test_the_example_is_a_step() -> None:
    assert example_of(tls).kind == "tls"


async def test_a_good_certificate_says_whose_it_is_and_until_when(step: TlsStep, tmp_path: Path) -> None:
    root = certify("Root", is_authority=True, until=9)
    middle = certify("Middle", root, is_authority=True, until=3)
    leaf = certify("shop", middle, until=5)
    reply = await look(step, tmp_path, root, leaf, middle)
    fields = reply.fields
    assert set(fields) == TLS_FIELDS - {"dns"}
    assert (reply.failure, fields["status"]) == (None, "ok")
    assert fields["expires_in"] == pytest.approx(5 * DAY, abs=60)
    assert fields["chain_expires_in"] == pytest.approx(3 * DAY, abs=60)
    assert (fields["subject"], fields["issuer"]) == ("shop", "Middle")
    assert fields["names"] == ["localhost", "127.0.0.1"]
    assert fields["chain"] == ["shop", "Middle", "Root"]
    assert fields["key"] == "EC 256"
    assert fields["protocol"] == "TLSv1.3"
    assert int(fields["serial"], 16) == leaf.certificate.serial_number
    assert reply.attributes["tls.server.issuer"] == "Middle"
    assert reply.phases.tls is not None
    assert parse_expectation("expires_in > 4d").check(fields).passed
    broken = parse_expectation("chain_expires_in > 4d").check({**fields, "chain_expires_in": 259_000.2})
    assert (broken.passed, broken.shown) == (False, "chain_expires_in (2 d 23 h 56 m 40 s) > 4 d")
    ended = parse_expectation("expires_in > 4d").check({**fields, "expires_in": -60.2})
    assert ended.shown == "expires_in (-1 m) > 4 d"
    assert not parse_expectation("expires_in > 4d").is_soft


async def test_a_certificate_that_is_sent_but_not_needed_does_not_count(
    step: TlsStep, tmp_path: Path
) -> None:
    root = certify("Root", is_authority=True)
    stray = certify("Old cross-signature", is_authority=True, since=-9, until=-5)
    reply = await look(step, tmp_path, root, certify("shop", root), stray)
    assert reply.failure is None
    assert reply.fields["chain_expires_in"] > DAY


async def _wrong(step: TlsStep, place: Path, case: str) -> Reply:
    root = certify("Root", is_authority=True)
    middle = certify("Middle", root, is_authority=True)
    match case:
        case "expired":
            return await look(step, place, root, certify("shop", root, since=-9, until=-3))
        case "not_yet_valid":
            return await look(step, place, root, certify("shop", root, since=1))
        case "wrong_host":
            return await look(step, place, root, certify("shop", root, hosts=["a.test", "b.test"]))
        case "self_signed":
            return await look(step, place, root, certify("shop"))
        case "untrusted":
            other = certify("Nobody", is_authority=True)
            return await look(step, place, root, certify("shop", other))
        case "incomplete":
            return await look(step, place, root, certify("shop", middle))
        case "chain_expired":
            old = certify("Middle", root, is_authority=True, since=-9, until=-3)
            return await look(step, place, root, certify("shop", old), old)
        case "chain_new":
            new = certify("Middle", root, is_authority=True, since=1)
            return await look(step, place, root, certify("shop", new), new)
        case "root_expired":
            gone = certify("Root", is_authority=True, since=-9, until=-3)
            return await look(step, place, gone, certify("shop", gone))
    key = rsa.generate_private_key(65537, 1024)
    return await look(step, place, root, certify("shop", root, key=key))


@pytest.mark.parametrize(
    ("case", "status", "words"),
    [
        ("expired", "expired", "expired on 20"),
        ("not_yet_valid", "not_yet_valid", "is not valid before 20"),
        ("wrong_host", "wrong_host", "is for another host: a.test, b.test (tls)"),
        ("self_signed", "self_signed", "is self-signed (tls)"),
        ("untrusted", "untrusted", "is signed by an authority that is not known: 'Nobody' (tls)"),
        ("incomplete", "untrusted", "is signed by an authority that is not known: 'Middle' (tls)"),
        ("chain_expired", "chain_expired", "cannot be relied on: 'Middle' in its chain expired on 20"),
        ("chain_new", "not_yet_valid", "cannot be relied on: 'Middle' in its chain is not valid before 20"),
        ("root_expired", "chain_expired", "cannot be relied on: its authority expired (tls)"),
        ("weak", "weak", "is too weak: "),
    ],
)
async def test_each_wrong_certificate_has_a_reason_of_its_own(
    step: TlsStep, tmp_path: Path, case: str, status: str, words: str
) -> None:
    reply = await _wrong(step, tmp_path, case)
    assert reply.fields["status"] == status
    assert reply.failure is not None
    assert reply.failure.message.startswith(f"TLS certificate of 127.0.0.1 {words}")
    assert reply.failure.type is ErrorType.PERMANENT
    assert reply.fields["subject"] == "shop"
    assert (reply.fields["expires_in"] < 0) is (case == "expired")


async def test_one_that_is_to_be_self_signed_can_be_watched(step: TlsStep, tmp_path: Path) -> None:
    reply = await look(step, tmp_path, certify("Root", is_authority=True), certify("shop"))
    written = example_of(tls)
    for texts, outcome in (
        (["status == self_signed", "expires_in > 1d"], Outcome.OK),
        (["status == self_signed", "expires_in > 9d"], Outcome.FAILED),
        (["expires_in > 1d"], Outcome.FAILED),
    ):
        plan = plan_step(written.model_copy(update={"expect": texts, "degraded": ()}), (), lambda _: None)  # type: ignore[arg-type, return-value]
        assert judge(plan, reply).outcome is outcome


async def test_another_name_and_protocols_are_asked_for(step: TlsStep, tmp_path: Path) -> None:
    root = certify("Root", is_authority=True)
    server = server_context(tmp_path, certify("shop", root, hosts=["shop.test"]))
    server.set_alpn_protocols(["h2"])
    asked = {"server_name": "shop.test", "alpn": ["h2", "http/1.1"]}
    reply = await look(step, tmp_path, root, server=server, **asked)
    assert (reply.failure, reply.fields["alpn"]) == (None, "h2")


async def test_what_is_no_tls_is_a_failure_of_the_connection(step: TlsStep) -> None:
    port = free_port()
    with pytest.raises(StepError, match=r"connection refused by .* \(connect\)"):
        await step.run(TlsSpec(address=f"127.0.0.1:{port}"), StepContext("", 1.0))
    async with listening(silent) as port, nothing_left():
        with pytest.raises(StepError, match=r"no answer within 200 ms from .* \(tls\)"):
            await step.run(TlsSpec(address=f"127.0.0.1:{port}"), StepContext("", 0.2))
    async with listening(lambda _, writer: resetting(b"", writer)) as port, nothing_left():
        with pytest.raises(StepError, match=r"connection (reset|closed) by"):
            await step.run(TlsSpec(address=f"127.0.0.1:{port}"), StepContext("", 1.0))

    async def plain_talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n")

    async with listening(plain_talk) as port, nothing_left():
        with pytest.raises(StepError, match=r"TLS with 127\.0\.0\.1 failed"):
            await step.run(TlsSpec(address=f"127.0.0.1:{port}"), StepContext("", 1.0))


async def test_what_cannot_be_offered_is_the_checks_own_fault(step: TlsStep) -> None:
    for spec in (
        {"address": "h:0"},
        {"address": "h", "alpn": ["x" * 256]},
        {"address": "h", "ca": "/nowhere"},
    ):
        with pytest.raises(CheckError):
            await step.run(TlsSpec.model_validate(spec), StepContext("", 1.0))


async def test_the_port_may_be_left_out(step: TlsStep) -> None:
    assert step.target(TlsSpec(address="Shop.example")) == "tls://shop.example:443"
    assert step.target(TlsSpec(address="::1")) == "tls://[::1]:443"
