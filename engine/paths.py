"""Where files live: XDG directories, with modes that keep others out."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

APP = "tocsin"


def state_dir() -> Path:
    """Databases and logs: `$XDG_STATE_HOME/tocsin`, else `~/.local/state/tocsin`."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def config_dir() -> Path:
    """What a person sets for all runs: `$XDG_CONFIG_HOME/tocsin`, else `~/.config/tocsin`."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def default_db(name: str = "tocsin") -> Path:
    """The database used when `--db` names none."""
    return state_dir() / f"{name}.db"


def runtime_dir() -> Path:
    """Sockets: `$XDG_RUNTIME_DIR/tocsin`, else a private directory under the temporary one."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base, APP) if base else Path(tempfile.gettempdir(), f"{APP}-{os.getuid()}")


def socket_path(db: Path) -> Path:
    """The command socket of the engine that holds `db` (short: AF_UNIX allows 107 bytes)."""
    digest = hashlib.sha256(os.fsencode(_real(db))).hexdigest()[:16]
    return runtime_dir() / f"{digest}.sock"


def lock_path(db: Path) -> Path:
    """The file whose flock says that an engine holds `db`."""
    real = _real(db)
    return real.with_name(real.name + ".lock")


def private_dir(path: Path) -> Path:
    """Make `path` (mode 0700 when new) and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def shipped_rules() -> Path:
    """The example `rules.yaml`: beside this package when installed, at the top of a checkout."""
    installed = Path(__file__).with_name("rules.yaml")
    return installed if installed.exists() else Path(__file__).parent.parent / "rules.yaml"


def _real(path: Path) -> Path:
    """`path` without symbolic links; links that lead in a circle stay, for whoever opens the file to tell."""
    return Path(os.path.realpath(path))


def _xdg(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable)
    root = Path(base) if base and os.path.isabs(base) else Path.home() / fallback
    return root / APP
