"""An nginx of our own that gives one small answer: the target whose own cost is the least."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import server

PATIENCE = 10.0
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/json;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 200 '{{"ok": true}}'; }} }}
}}
"""


@contextmanager
def target(directory: Path) -> Iterator[str]:
    """The address of nginx, or of our own small server where nginx is not installed; until the end."""
    program = shutil.which("nginx")
    if program is None:
        with server.running() as url:
            yield url
        return
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(CONFIGURATION.format(directory=directory, port=port))
    with child([program, "-p", str(directory), "-e", "stderr", "-c", str(config)], directory):
        url = f"http://127.0.0.1:{port}"
        wait_for(url)
        yield url


@contextmanager
def child(command: list[str], directory: Path, environment: dict[str, str] | None = None) -> Iterator[int]:
    """A program that runs until the end of the block, in silence; its process id."""
    silence = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=directory, env=environment, stdout=silence, stderr=silence) as process:
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port() -> int:
    """A port of the loopback where nobody listened just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(url: str) -> None:
    """Return when `url` answers; TimeoutError after 10 s."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"{url} did not answer within {PATIENCE:.0f} s")
