"""Rules as they stand in their file: which lines, and where each condition begins."""

from __future__ import annotations

from engine.config.excerpts import excerpts

TEXT = """\
version: 1
rules:
  # about answers
  - id: slow

    name: Slow  # shop
    conditions:
      - {type: THRESHOLD, metric: workflow.duration,
         operator: ">", value: 5s}
      # and it works
      - type: THRESHOLD
        metric: workflow.status
    description: |
      more
        words

  - {id: flow, name: In one line, conditions: [{type: ABSENCE}]}
  # the end
workflows: []
"""


def test_each_rule_has_its_lines_and_the_places_of_its_conditions() -> None:
    found = excerpts(TEXT, "rules.yaml")
    slow, flow = found["slow"], found["flow"]
    assert list(found) == ["slow", "flow"]
    lines = slow.text.split("\n")
    assert (slow.file, slow.line, lines[0], lines[-1]) == ("rules.yaml", 4, "- id: slow", "      words")
    assert [lines[place - slow.line].strip()[:9] for place in slow.places] == ["- {type: ", "- type: T"]
    assert (flow.line, flow.text) == (17, "- {id: flow, name: In one line, conditions: [{type: ABSENCE}]}")
    assert flow.places == (17,)


def test_rules_at_the_very_left_and_shared_conditions() -> None:
    shared = "x: &c {type: ABSENCE}\nrules:\n- id: a\n  conditions: [*c]\n- id: b\n  name: last"
    found = excerpts(shared, "f")
    assert found["a"].text == "- id: a\n  conditions: [*c]"
    # What stands elsewhere has no place here.
    assert found["a"].places == (0,)
    assert found["b"].text == "- id: b\n  name: last"


def test_what_is_no_file_of_rules_has_none() -> None:
    for text in ("", "a: [", "rules: 7", "rules:\n- 7\n- {}", "[]"):
        assert not any(found.text.startswith("- id") for found in excerpts(text, "f").values())
