"""A running process that is told to read its configuration again: by a signal, by a command."""

from __future__ import annotations

import os
import signal

from tests.end_to_end.support import Place, Site, is_execution, workflow
from tests.end_to_end.test_console import PANES, console


def test_sighup_and_the_command_read_the_configuration_again(place: Place, site: Site) -> None:
    good, more = workflow("good", site.url + "/ok"), workflow("more", site.url + "/ok")
    place.configure(f"[{good}]")
    with place.start("--no-ui") as running:
        running.wait_for(is_execution, 2)
        place.configure(f"[{good}, {more}]")
        running.signal(signal.SIGHUP)
        running.wait_for(lambda record: is_execution(record) and record["workflow"] == "more", 2)
        assert [record["message"] for record in running.of_type("reloaded")] == ["+1 workflow"]
        assert [record["message"] for record in running.of_type("changed")] == ["+ workflow more"]

        (place.home / "rules.yaml").write_text("version: 1\nnonsense: 2\n")
        done = place.call("reload")
        assert done.returncode == 2
        first, second = done.stdout.splitlines()
        assert first == "The configuration stays as it was: 1 problem"
        assert second.startswith("rules.yaml:2:1: unknown key `nonsense`")
        running.wait_for(lambda record: record["type"] == "log" and "rules.yaml:2:1" in record["message"])
        running.signal(signal.SIGTERM)
        assert running.finish() == 0
        assert running.stderr == b""
    place.assert_sound()
    assert len(place.query("SELECT DISTINCT digest FROM runs")) == 2


def test_sighup_in_a_console_whose_terminal_is_there_reads_again_too(place: Place, site: Site) -> None:
    place.configure(f"[{workflow('good', site.url + '/ok')}]")
    with console(place) as terminal:
        terminal.read_until(*PANES)
        (place.home / "rules.yaml").write_text("version: 1\nnonsense: 2\n")
        os.kill(terminal.process.pid, signal.SIGHUP)
        terminal.read_until("unknown key")
        terminal.send("qq")
        assert terminal.finish() == 0
    place.assert_sound()
