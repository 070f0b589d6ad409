"""The http step against a real nginx, where one is installed; elsewhere nothing of this is collected."""

import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model import ErrorCategory, ErrorType
from engine.workflows.steps.http import HttpStep
from tests.engine.workflows.http_calls import refusal, send
from tests.engine.workflows.pki import Authority
from tests.engine.workflows.talking import free_port, nothing_left

# The page is long enough to be compressed; nobody listens behind /dead, and /limited lets one in.
CONFIGURATION = """
daemon off; worker_processes 1; pid {place}/pid; error_log stderr notice; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; gzip on; gzip_types *; gzip_min_length 100; gzip_proxied any;
  client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c;
  uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;
  limit_req_zone $binary_remote_addr zone=few:1m rate=1r/m; limit_req_status 429;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl http2;
    ssl_certificate {paper}; ssl_certificate_key {paper};
    location / {{ return 200 '{{"name": "{name}"}}'; }}
    location /moved {{ return 302 /; }}
    location /circle {{ return 302 /circle; }}
    location /dead {{ proxy_pass http://127.0.0.1:{dead}; }}
    location /hung {{ return 444; }}
    location /limited {{ limit_req zone=few; }}
    location /shut {{ return 403; }}
  }}
}}
"""
NAME = "x" * 1000

if shutil.which("nginx") is not None:

    @pytest.fixture(scope="module")
    def server(authority: Authority) -> Iterator[tuple[str, str]]:
        """The addresses without and with TLS."""
        ports = {"plain": free_port(), "secure": free_port(), "dead": free_port()}
        user = "user root;" if os.geteuid() == 0 else ""
        with tempfile.TemporaryDirectory() as place:
            file, paper = Path(place) / "nginx.conf", authority.issue("localhost")
            file.write_text(CONFIGURATION.format(place=place, paper=paper, name=NAME, user=user, **ports))
            command = ["nginx", "-p", place, "-e", "stderr", "-c", str(file)]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
                try:
                    _wait_until_ready(process)
                    yield f"http://127.0.0.1:{ports['plain']}", f"https://127.0.0.1:{ports['secure']}"
                finally:
                    process.terminate()

    def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
        """It says so when its worker has been started."""
        assert process.stderr is not None
        said = b""
        while b"start worker process " not in said:
            assert select.select([process.stderr], [], [], 20)[0], said
            data = os.read(process.stderr.fileno(), 65_536)
            assert data, said
            said += data

    @pytest.mark.parametrize("version", ["1.1", "2", "auto"])
    async def test_a_page_over_every_protocol(
        http: HttpStep, server: tuple[str, str], authority: Authority, version: str
    ) -> None:
        async with nothing_left():
            reply = await send(http, server[1], http_version=version, tls={"ca": str(authority.ca)})
        assert reply.fields["http_version"] == ("HTTP/1.1" if version == "1.1" else "HTTP/2")
        assert reply.fields["headers"]["content-encoding"] == "gzip"
        assert reply.fields["json"] == {"name": NAME}
        assert reply.phases.tls is not None

    async def test_redirects_and_refusals(http: HttpStep, server: tuple[str, str]) -> None:
        plain, _ = server
        moved = await send(http, f"{plain}/moved", follow_redirects=True)
        assert (moved.fields["status"], moved.fields["redirects"]) == (200, 1)
        circle = await refusal(http, f"{plain}/circle", follow_redirects=True)
        assert circle.failure.message.startswith("over 5 redirects")
        hung = await refusal(http, f"{plain}/hung")
        assert hung.failure.type is ErrorType.NETWORK
        assert "closed the connection without an answer" in hung.failure.message

    @pytest.mark.parametrize(
        ("path", "status", "kind", "category"),
        [
            ("/dead", 502, ErrorType.TRANSIENT, None),
            ("/shut", 403, ErrorType.PERMANENT, ErrorCategory.AUTHENTICATION),
        ],
    )
    async def test_a_status_is_a_failure(
        http: HttpStep,
        server: tuple[str, str],
        path: str,
        status: int,
        kind: ErrorType,
        category: ErrorCategory | None,
    ) -> None:
        failure = (await send(http, f"{server[0]}{path}")).failure
        assert failure is not None
        assert failure.message.startswith(f"status {status} ")
        assert failure.type is kind
        assert category in (None, failure.category)

    async def test_who_asks_too_often_is_told(http: HttpStep, server: tuple[str, str]) -> None:
        replies = [await send(http, f"{server[0]}/limited") for _ in range(3)]
        failure = replies[-1].failure
        assert failure is not None
        assert failure.type is ErrorType.RATE_LIMIT

    async def test_what_speaks_no_tls_is_told(http: HttpStep, server: tuple[str, str]) -> None:
        error = await refusal(http, server[0].replace("http:", "https:"))
        assert "TLS with 127.0.0.1" in error.failure.message
        wrong = await send(http, server[1].replace("https:", "http:"))
        assert wrong.fields["status"] == 400
