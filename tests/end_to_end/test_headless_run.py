"""`--no-ui` and `--once`, as a person or an init system meets them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest

from tests.end_to_end.support import Place, Site, closed_port, is_execution, workflow


def test_one_round_of_the_demo_is_all_well(place: Place) -> None:
    done = place.run("demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "6 workflows: 6 ok"


def test_a_dead_target_is_named(place: Place) -> None:
    port = closed_port()
    place.configure(f"[{workflow('front', f'http://127.0.0.1:{port}/')}]")
    done = place.call("--once")
    assert done.returncode == 1
    assert f"connection refused by 127.0.0.1:{port}" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 workflow: 1 failed"


def test_one_round_for_machines_imports_no_user_interface(place: Place, site: Site) -> None:
    place.configure(f"[{workflow('good', site.url + '/ok')}, {workflow('bad', site.url + '/fail')}]")
    report, loaded = place.home / "report.xml", place.home / "loaded"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tui.cli import main\n"
        "code = main(sys.argv[2:])\n"
        "Path(sys.argv[1]).write_text('\\n'.join(sys.modules))\n"
        "sys.exit(code)\n"
    )
    command = ("--once", "--json", "--junit", str(report), "--db", str(place.db))
    done = subprocess.run(
        [sys.executable, "-c", program, str(loaded), *command],
        cwd=place.home, env=place.env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    packages = {name.partition(".")[0] for name in loaded.read_text().split()}
    assert "engine" in packages
    assert not packages & {"textual", "plotext", "apprise"}
    assert done.returncode == 1
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(record["workflow"], record["outcome"]) for record in records] == [
        ("good", "ok"),
        ("bad", "failed"),
    ]
    assert "503" in records[1]["error"]
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert place.query("SELECT count(*) FROM executions") == [(2,)]


def test_a_check_that_breaks_is_told_apart(place: Place, site: Site) -> None:
    first = f'{{id: get, http: {{url: "{site.url}/lines"}}, extract: {{address: body}}}}'
    second = '{id: use, http: {url: "{{ get.address }}"}}'
    place.configure(f"[{{id: broken, name: broken, every: 1s, steps: [{first}, {second}]}}]")
    done = place.call("--once")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "error" in done.stdout


def test_a_wrong_configuration_is_no_run(place: Place) -> None:
    place.configure("[{id: x, name: x, evry: 1s}]")
    done = place.call("--no-ui")
    assert (done.returncode, done.stdout) == (2, "")
    assert "rules.yaml:3:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not place.db.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_and_leaves_a_clean_file(
    place: Place, site: Site, number: signal.Signals
) -> None:
    place.configure(f"[{workflow('good', site.url + '/ok')}]")
    with place.start("--no-ui") as running:
        running.wait_for(is_execution, 3)
        running.signal(number)
        assert running.finish() == 0
        assert running.stderr == b""
    assert [record["type"] for record in running.records[-1:]] == ["stopped"]
    place.assert_sound()
    wal = place.db.with_name(place.db.name + "-wal")
    assert not wal.exists() or wal.stat().st_size == 0
    reported = {record["id"] for record in running.of_type("execution")}
    assert reported <= {row[0] for row in place.query("SELECT id FROM executions")}


def test_a_stuck_check_is_cut_off_within_ten_seconds(place: Place, site: Site) -> None:
    place.configure(f"[{workflow('stuck', site.url + '/hang')}, {workflow('good', site.url + '/ok')}]")
    with place.start("--no-ui") as running:
        running.wait_for(is_execution, 3)
        asked = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.finish() == 0
        assert time.monotonic() - asked < 10
    place.assert_sound()
    assert ("stuck", "interrupted") in place.query("SELECT workflow_id, outcome FROM executions")


def test_a_second_signal_does_not_wait(place: Place, site: Site) -> None:
    place.configure(f"[{workflow('stuck', site.url + '/hang')}, {workflow('good', site.url + '/ok')}]")
    with place.start("--no-ui") as running:
        running.wait_for(is_execution)
        running.signal(signal.SIGTERM)
        running.wait_for(lambda record: "stopping" in str(record.get("type")))
        asked = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.finish() == 128 + signal.SIGTERM
        assert time.monotonic() - asked < 8
        assert b"stopped at once" in running.stderr
    place.assert_sound()


def test_a_process_that_was_suspended_goes_on_and_says_what_it_missed(place: Place, site: Site) -> None:
    place.configure(f"[{workflow('good', site.url + '/ok')}]")
    with place.start("--no-ui") as running:
        running.wait_for(is_execution, 2)
        running.signal(signal.SIGSTOP)
        # Time that passes while the process does not run is what is tested.
        time.sleep(1)
        running.signal(signal.SIGCONT)
        running.wait_for(lambda record: record.get("reason", "").startswith("misfire"))
        running.wait_for(lambda record: record.get("outcome") == "ok", 2)
        running.signal(signal.SIGTERM)
        assert running.finish() == 0


def test_a_reader_that_leaves_ends_the_run_in_order(place: Place, site: Site) -> None:
    place.configure(f"[{workflow('good', site.url + '/ok')}]")
    with place.start("--no-ui") as running:
        running.wait_for(is_execution)
        assert running.process.stdout is not None
        running.process.stdout.close()
        assert running.process.wait(20) == 0
        assert running.process.stderr is not None
        assert running.process.stderr.read() == b""
    place.assert_sound()
