"""A MariaDB server of one's own, where one is installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.engine.workflows.pki import Paper

PASSWORD = "S3CR3T-pässword"
_PATIENCE = 60.0

# The one table is there to be read; `alone` may enter by the server's own socket only.
_SETUP = f"""
create database shop;
use shop;
create table orders (id int primary key, state varchar(20), price decimal(9,2), note blob, at datetime);
insert into orders values (1, 'waiting', 9.50, x'ff00', '2026-02-03 04:05:06'), (2, 'waiting', 7, null, null),
  (3, 'sent', 3, null, null);
create user monitor@'%' identified by '{PASSWORD}';
grant select on shop.* to monitor@'%';
create user writer@'%' identified by '{PASSWORD}';
grant all on shop.* to writer@'%';
create user nobody@'%' identified by '{PASSWORD}';
create user alone@'%' identified via unix_socket;
create user strict@'%' identified by '{PASSWORD}' require ssl;
grant select on shop.* to strict@'%';
install soname 'auth_ed25519';
create user modern@'%' identified via ed25519 using password('{PASSWORD}');
grant select on shop.* to modern@'%';
"""


def binaries() -> tuple[str, str, str] | None:
    """The server, what makes its first tables, and its client; None where one is not installed."""
    found = [shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb")]
    return (found[0], found[1], found[2]) if found[0] and found[1] and found[2] else None


@contextlib.contextmanager
def running(port: int, paper: Paper) -> Iterator[None]:
    """A server on a loopback port, with the users and the table that tests need, and TLS by `paper`."""
    programs = binaries()
    assert programs is not None
    # Not below the tests' own folder, which every session of tests shuts for other users again.
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place,
        _serving(Path(place), programs, port, paper),
    ):
        yield


@contextlib.contextmanager
def _serving(folder: Path, programs: tuple[str, str, str], port: int, paper: Paper) -> Iterator[None]:
    server, install, client = programs
    (folder / "server.pem").write_bytes(paper.pem)
    (folder / "server.key").write_bytes(paper.key_pem())
    user = _given_away(folder) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    data, socket = folder / "data", folder / "s"
    common = ["--no-defaults", f"--datadir={data}", f"--user={user}"]
    install_options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    subprocess.run(
        [install, *common, *install_options], check=True, capture_output=True, timeout=_PATIENCE, cwd=folder
    )
    options = [
        *common,
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={socket}",
        f"--pid-file={folder}/pid",
        f"--ssl-cert={folder}/server.pem",
        f"--ssl-key={folder}/server.key",
        "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=16M",
        "--character-set-server=utf8mb4",
    ]
    with subprocess.Popen([server, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _wait_until_ready(process)
            ask = [client, "--no-defaults", f"--socket={socket}", "--user=root"]
            ask.append("--default-character-set=utf8mb4")
            subprocess.run(ask, input=_SETUP.encode(), check=True, capture_output=True, timeout=_PATIENCE)
            yield
        finally:
            process.kill()


def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    """Read what it says of itself until it says that it can be asked."""
    assert process.stderr is not None
    said = b""
    while b"ready for connections" not in said:
        assert select.select([process.stderr], [], [], _PATIENCE)[0], said
        data = os.read(process.stderr.fileno(), 65_536)
        assert data, said
        said += data


def _given_away(folder: Path) -> str:
    """The folder belongs to the server's own user afterwards."""
    account = pwd.getpwnam("mysql")
    for place in (folder, *folder.iterdir()):
        os.chown(place, account.pw_uid, account.pw_gid)
    return account.pw_name
