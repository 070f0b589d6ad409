"""1,000 HTTP checks a second, paced: our headless process beside Prometheus with its blackbox exporter."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.many import COUNT, names, write_config
from benchmarks.nginx import child, free_port, target, wait_for

FIGURES = ("rss_mb", "paced_cpu_vs_prometheus", "paced_rss_vs_prometheus")
PEERS = ("prometheus", "prometheus-blackbox-exporter", "nginx")
WARM_UP = 12.0
MEASURED = 20.0
SETTLED = 2.0
"""Seconds after which Prometheus shows a sample for certain."""
ENOUGH = 0.98
"""The share of all due checks that have to have been made; else the comparison is void."""
MODULES = "modules: {http_2xx: {prober: http, timeout: 1s, http: {preferred_ip_protocol: ip4}}}\n"
PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: probes
    metrics_path: /probe
    params: {{module: [http_2xx]}}
    static_configs: [{{targets: [{targets}]}}]
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__param_target], target_label: instance}}
      - {{target_label: __address__, replacement: "127.0.0.1:{exporter}"}}
"""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """What processes took: `cpu` in cores, `rss` in MB; `made` checks, `wrong` of them without success."""

    cpu: float
    rss: float
    made: int
    wrong: int

    @property
    def fault(self) -> str:
        """Why it does not count; empty when it does."""
        due = round(COUNT * MEASURED)
        if self.wrong:
            return f"{self.wrong} of {self.made} checks failed or were skipped"
        return f"only {self.made} of {due} checks were made" if self.made < ENOUGH * due else ""


def cpu_seconds(process: int) -> float:
    """User and system time of a process up to now."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mb(process: int) -> float:
    """Memory of a process that is in RAM now, in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def taken(processes: list[int]) -> tuple[float, float, float, float]:
    """Wait and measure: cores, MB at the end, and from when until when."""
    time.sleep(WARM_UP)
    since, before = time.time(), sum(map(cpu_seconds, processes))
    time.sleep(MEASURED)
    until, after = time.time(), sum(map(cpu_seconds, processes))
    return (after - before) / (until - since), sum(map(rss_mb, processes)), since, until


def ours(url: str, directory: Path) -> Load:
    """`tocsin --no-ui` with 1,000 workflows every second and everything on."""
    write_config(directory, url, "every: 1s", names())
    db = directory / "paced.db"
    environment = {"XDG_STATE_HOME": str(directory), "XDG_RUNTIME_DIR": str(directory)}
    command = [sys.executable, "-m", "tui.cli", "--no-ui", "--db", str(db)]
    root = str(Path(__file__).parents[1])
    with child(command, directory, {**os.environ, **environment, "PYTHONPATH": root}) as process:
        cpu, rss, since, until = taken([process])
    query = "SELECT count(*), sum(outcome <> 'ok') FROM executions WHERE scheduled_at BETWEEN ? AND ?"
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        made, wrong = connection.execute(query, (since, until)).fetchone()
    return Load(cpu, rss, made, wrong or 0)


def theirs(url: str, directory: Path) -> Load:
    """Prometheus and its exporter, asked for the same."""
    exporter, port = free_port(), free_port()
    modules, config = directory / "blackbox.yml", directory / "prometheus.yml"
    modules.write_text(MODULES)
    targets = ", ".join(f'"{url}/?n={number}"' for number in range(COUNT))
    config.write_text(PROMETHEUS.format(targets=targets, exporter=exporter))
    with ExitStack() as stack:
        processes = [
            stack.enter_context(child(command, directory))
            for command in (
                [
                    "prometheus-blackbox-exporter",
                    f"--config.file={modules}",
                    f"--web.listen-address=127.0.0.1:{exporter}",
                ],
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={directory}/tsdb",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
            )
        ]
        api = f"http://127.0.0.1:{port}"
        wait_for(f"{api}/-/ready")
        cpu, rss, _, until = taken(processes)
        moment = until - SETTLED
        made = ask(api, f"sum(count_over_time(probe_success[{MEASURED:.0f}s]))", moment)
        good = ask(api, f"sum(sum_over_time(probe_success[{MEASURED:.0f}s]))", moment)
    return Load(cpu, rss, made, made - good)


def ask(api: str, expression: str, moment: float) -> int:
    """A number out of Prometheus; 0 when there is none."""
    query = urllib.parse.urlencode({"query": expression, "time": f"{moment:.3f}"})
    with urllib.request.urlopen(f"{api}/api/v1/query?{query}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return int(float(found[0]["value"][1])) if found else 0


def sound(measure: Callable[[str, Path], Load], url: str, directory: Path) -> Load:
    """What `measure` finds; a fault, which a busy machine may have caused, is given a second try."""
    load = measure(url, Path(tempfile.mkdtemp(dir=directory)))
    return measure(url, Path(tempfile.mkdtemp(dir=directory))) if load.fault else load


def run() -> list[dict[str, Any]]:
    """The figures; without the peers only our own memory."""
    missing = [program for program in PEERS if shutil.which(program) is None]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with target(directory) as url:
            our = sound(ours, url, directory)
            their = None if missing else sound(theirs, url, directory)
    paced = f"{our.made / MEASURED:.0f} checks/s of {COUNT:,} workflows, headless"
    figures = [_figure("rss_mb", None if our.fault else our.rss, "MB", None, our.fault or paced)]
    if their is None:
        why = f"not measured: {', '.join(missing)} not installed"
        return [
            *figures,
            _figure("paced_cpu_vs_prometheus", None, "×", 0.8, why),
            _figure("paced_rss_vs_prometheus", None, "×", 0.4, why),
        ]
    fault = (our.fault and f"void: ours: {our.fault}") or (their.fault and f"void: theirs: {their.fault}")
    cpu = f"{their.cpu:.2f} cores of Prometheus and its exporter"
    rss = f"{their.rss:.0f} MB of Prometheus and its exporter"
    return [
        *figures,
        _figure(
            "paced_cpu_vs_prometheus",
            "void" if fault else our.cpu / their.cpu,
            f"× ({our.cpu:.2f} cores)",
            0.8,
            fault or cpu,
        ),
        _figure(
            "paced_rss_vs_prometheus",
            "void" if fault else our.rss / their.rss,
            f"× ({our.rss:.0f} MB)",
            0.4,
            fault or rss,
        ),
    ]


def _figure(
    name: str, value: float | str | None, unit: str, goal: float | None, against: str
) -> dict[str, Any]:
    shown = round(value, 2) if isinstance(value, float) else value
    return {"name": name, "value": shown, "unit": unit, "goal": goal, "against": against}
