"""A PostgreSQL server of one's own, where one is installed."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.engine.workflows.pki import Paper

PASSWORD = "S3CR3T-pässword"


def binaries() -> Path | None:
    """Where the server's programs are; None when there are none, or nobody here may run them."""
    found = [shutil.which("initdb"), *sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)]
    programs = next((Path(path).resolve().parent for path in found if path), None)
    return programs if os.geteuid() != 0 or _account() else None


@contextlib.contextmanager
def running(port: int, paper: Paper | None = None) -> Iterator[None]:
    """A server on a loopback port, with the user `monitor` whose password is `PASSWORD`.

    Args:
        paper: its certificate; without one it speaks no TLS.
    """
    # Not below the tests' own folder, which every session of tests shuts for other users again.
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place,
        _serving(Path(place), port, paper),
    ):
        yield


@contextlib.contextmanager
def _serving(folder: Path, port: int, paper: Paper | None) -> Iterator[None]:
    programs = binaries()
    assert programs is not None
    data, secret, log = folder / "data", folder / "password", folder / "log"
    secret.write_text(PASSWORD)
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    if paper is not None:
        (folder / "server.pem").write_bytes(paper.pem)
        (folder / "server.key").write_bytes(paper.key_pem())
        (folder / "server.key").chmod(0o600)
        settings += f" -c ssl=on -c ssl_cert_file={folder}/server.pem -c ssl_key_file={folder}/server.key"
    user = _given_away(folder) if os.geteuid() == 0 else None

    def run(*command: str | Path) -> None:
        subprocess.run(
            command,
            check=True,
            user=user,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )

    run(programs / "initdb", "-D", data, "-U", "monitor", "-A", "scram-sha-256", "--pwfile", secret, "-N")
    run(programs / "pg_ctl", "-D", data, "-w", "-s", "-l", log, "-o", settings, "start")
    try:
        yield
    finally:
        run(programs / "pg_ctl", "-D", data, "-w", "-s", "-m", "immediate", "stop")


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


def _given_away(folder: Path) -> str:
    """The folder belongs to the server's own user afterwards: as root it refuses to run."""
    account = _account()
    assert account is not None
    for place in (folder, *folder.iterdir()):
        os.chown(place, account.pw_uid, account.pw_gid)
    return account.pw_name
