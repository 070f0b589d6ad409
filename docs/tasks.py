"""Does ten things that a person on call does, from the keyboard alone, and writes down what it took.

Usage: `python docs/tasks.py [DIRECTORY]` (needs tmux; five minutes). Starts the demo with an empty database
in a tmux of its own, types the keys of each task from the dashboard, waits for what must be seen then, and
writes `docs/tasks.md`. With DIRECTORY, the screen at the end of each task is kept there as text.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import record

from engine.text import counted

NAMED = {"Enter": "enter", "Space": "space", "Escape": "esc", "Tab": "tab", "Up": "↑", "Down": "↓"}
"""Words that are one key, and what a page calls it; any other word is typed letter by letter."""
SEEN_WITHIN = 20.0
LOOK = 0.5  # seconds for which a person looks before going on
SHOWN_WITHIN = 260.0  # the demo's script has an incident every four minutes


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do.

    Args:
        name: what somebody wants.
        steps: what is typed, and the pattern that the screen must match then.
        once: begin when the alerts' view matches this, for what has to be firing.
        undo: what is typed afterwards; not counted.
    """

    name: str
    steps: tuple[tuple[str, str], ...]
    once: str = ""
    undo: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word for keys, _ in self.steps for word in keys.split())

    @property
    def keystrokes(self) -> int:
        return sum(1 if word in NAMED else len(word) for word in self.words)


ALERTS = ("3", "(?s)\\d resolved.*Raised by")
FILTER = ("/", r'words, "a phrase"')
TASKS = (
    Task(
        "Stop checking something while it is repaired",
        (("2", "Stock count"), FILTER, ("stock Enter", "› / stock"), ("p", "Pause"), ("Enter", "paused")),
        undo="p",
    ),
    Task(
        "Say that you take care of a critical alert",
        (ALERTS, ("g a", "Acknowledge"), ("on Space it Enter", "● CRITICAL +◐ acked")),
        once="● CRITICAL +◉ firing",
    ),
    Task(
        "Learn why an alert fired, and why nobody was told",
        (ALERTS, ("g e", "(?s)Why it fired.*Why nobody was told")),
        once="◉ firing",
    ),
    Task(
        "Acknowledge everything of the checkout at once",
        (
            ALERTS,
            FILTER,
            ("checkout Enter", "› / checkout"),
            ("g m m m m", "4 marked"),
            ("a", "Acknowledge"),
            ("deploy Space runs Enter", "(?s)(◐ acked +checkout.*){4}"),
        ),
        once="(?s)((◉ firing|◐ acked) +checkout.*){4}",
    ),
    Task(
        "Silence a noisy rule for an hour, with a reason",
        (
            ALERTS,
            FILTER,
            ("failing Enter", "› / failing"),
            ("g m m", "2 marked"),
            ("s", "(?s)Silence 2 alerts.*1 hour"),
            ("known Space fault Enter", "silenced"),
        ),
        once="(?s)◉ firing +[a-z-]+ · Failing for.*◉ firing +[a-z-]+ · Failing for",
    ),
    Task(
        "Find why the checkout failed",
        (
            (":", "Jump"),
            ("checkout Enter", "(?s)Workflows › Checkout.*✗ failed"),
            ("f", "✗ failed"),
            ("Enter", r"(?s)Execution \d+.*Failure +\w+: "),
        ),
    ),
    Task(
        "Find the log line of a fault, and the run that wrote it",
        (
            ("6", "Message"),
            ("/", "level:error"),
            ("429 Enter", "429 Too Many Requests"),
            ("Enter", r"Execution \d+"),
        ),
    ),
    Task("See everything as it was when an alert fired", (("<", "PAST"),), undo="Space"),
    Task(
        "Tune a threshold by what happened",
        (
            ("7", "Definition"),
            FILTER,
            ("half Enter", "› / half"),
            ("b", "(?s)threshold=800ms.*Fires +[0-9]"),
            ("Up Up Up Up", "(?s)threshold=1(000m|)s.*now +then.*Fires +[0-9]+ +[0-9]"),
        ),
    ),
    Task(
        "Write a report for those who were asleep",
        (
            ("9", "Service levels"),
            ("x", "Export the report"),
            ("1", "[.]md"),
            ("Enter", "written|wrote|saved"),
        ),
    ),
)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    took = []
    with record.demo():
        record.wait_for("Checkout", 30)
        for number, task in enumerate(TASKS, 1):
            _wait_until(task)
            started = time.monotonic()
            for keys, sees in task.steps:
                _type(keys)
                record.wait_for(sees, SEEN_WITHIN)
                time.sleep(LOOK)
            took.append(time.monotonic() - started)
            print(f"{number:>2} {task.name}: {counted(task.keystrokes, 'keystroke')}, {took[-1]:.1f} s")
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{number:02}.txt").write_text(record.screen())
            _type(task.undo)
            _go_home()
    Path(__file__).with_name("tasks.md").write_text(_page())


def _wait_until(task: Task) -> None:
    """Stand at the dashboard at a moment when the task can be done."""
    if task.once:
        _type("3")
        record.wait_for(task.once, SHOWN_WITHIN)
        _go_home()


def _go_home() -> None:
    for key in ("Escape", "Escape", "Escape", "1"):
        record.press(key)
        time.sleep(0.3)  # nothing to see when there was nothing to leave
    record.wait_for("Health", SEEN_WITHIN)


def _type(keys: str) -> None:
    for word in keys.split():
        if word in NAMED:
            record.press(word)
        else:
            record.press("-l", word)
        time.sleep(0.15)  # as fast as nobody types, and slow enough for the key to find what it is for


def _page() -> str:
    """The tasks as a page of Markdown."""
    lines = [
        "# Ten things to do without the mouse",
        "",
        "Each begins at the dashboard of `tocsin demo`; `python docs/tasks.py` does them all and counts.",
        "Nothing here has to be known: `?` shows the keys of the view in front, `:` finds what has a name.",
        "",
        "| what | keys | keystrokes |",
        "|---|---|---:|",
    ]
    for task in TASKS:
        keys = " ".join(f"`{NAMED.get(word, word)}`" for word in task.words)
        lines.append(f"| {task.name} | {keys} | {task.keystrokes} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
