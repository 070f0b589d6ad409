"""kill -9 at any moment: what was reported as done is there afterwards, and the file is whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import threading
from typing import Any

from engine.control import send_command
from engine.errors import ConflictError, EngineUnavailableError
from tests.end_to_end.support import Place, Site, is_execution, workflow

# More rounds find rarer moments: TOCSIN_KILL_ROUNDS=20.
ROUNDS = int(os.environ.get("TOCSIN_KILL_ROUNDS", "4"))
DOWN = """[{id: down, name: Down, cooldown: 0s,
  conditions: [{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}]}]"""


class Acknowledger:
    """Acknowledges whatever fires, over the control socket, while the block runs.

    `answered` holds the alerts whose acknowledgement the engine has confirmed.
    """

    def __init__(self, place: Place) -> None:
        self.answered: set[int] = set()
        self._place = place
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Acknowledger:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._done.wait(0.01):
            for (alert_id,) in self._place.query("SELECT id FROM alerts WHERE state = 'firing'"):
                command = {"command": "acknowledge", "alert_id": alert_id, "author": "ann", "note": ""}
                # It may have ended meanwhile; or the engine has been killed, and nothing was confirmed.
                with contextlib.suppress(ConflictError, EngineUnavailableError):
                    asyncio.run(send_command(self._place.socket, command))
                    self.answered.add(alert_id)


def test_nothing_reported_or_acknowledged_is_lost(place: Place, site: Site) -> None:
    rng = random.Random(7)
    workflows = [workflow(f"w{number}", site.url + "/flaky") for number in range(6)]
    place.configure(f"[{', '.join(workflows)}]", DOWN)
    reported: list[dict[str, Any]] = []
    acknowledged: set[int] = set()
    for _ in range(ROUNDS):
        with place.start("--no-ui", "--json") as running:
            running.wait_for(lambda record: record.get("transition") == "fired")
            with Acknowledger(place) as acknowledger:
                running.wait_for(is_execution, rng.randint(5, 60))
                running.signal(signal.SIGKILL)
                assert running.finish() == -signal.SIGKILL
        acknowledged |= acknowledger.answered
        reported += running.records
        place.assert_sound()
    executions = {record["id"] for record in reported if record["type"] == "execution"}
    transitions = {(record["id"], record["transition"]) for record in reported if record["type"] == "alert"}
    assert executions
    assert transitions
    assert acknowledged
    kept = place.query("SELECT alert_id FROM alert_events WHERE kind = 'acknowledged' AND author = 'ann'")
    assert acknowledged <= {row[0] for row in kept}
    assert executions <= {row[0] for row in place.query("SELECT id FROM executions")}
    assert transitions <= set(place.query("SELECT alert_id, kind FROM alert_events"))
    open_twice = (
        "SELECT fingerprint FROM alerts WHERE state <> 'resolved' GROUP BY fingerprint HAVING count(*) > 1"
    )
    assert place.query(open_twice) == []


def test_an_acknowledgement_survives(place: Place, site: Site) -> None:
    place.configure(f"[{workflow('w', site.url + '/fail')}]", DOWN)
    with place.start("--no-ui", "--json") as running:
        running.wait_for(lambda record: record.get("transition") == "fired")
        alert = running.of_type("alert")[-1]["id"]
        acked = place.call("alerts", "ack", str(alert), "--note", "on it")
        running.signal(signal.SIGKILL)
        running.finish()
    assert acked.returncode == 0, acked.stderr
    assert place.query(f"SELECT state, ack_note FROM alerts WHERE id = {alert}") == [
        ("acknowledged", "on it")
    ]
    with place.start("--no-ui", "--json") as running:
        running.wait_for(is_execution, 3)
        running.signal(signal.SIGTERM)
        assert running.finish() == 0
    assert place.query("SELECT id, state FROM alerts") == [(alert, "acknowledged")]
