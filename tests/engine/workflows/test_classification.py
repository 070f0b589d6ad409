"""What `settings.classify` calls an error decides whether it is tried again and counts against its target."""

from pathlib import Path
from typing import Any

import pytest

from engine.config.classify import ClassifySpec
from engine.config.code import CodeWorkflow
from engine.config.loader import load_config
from engine.errors import ConfigError
from engine.model import BreakerState, ErrorCategory, ErrorType, Failure
from engine.workflows.classification import ErrorTable
from engine.workflows.runner import Runner
from tests.engine.workflows.test_flow import Bench, flow, get

THREE = {"max_attempts": 3, "initial_delay": "1s", "jitter": 0}


def table(*entries: dict[str, Any]) -> tuple[ClassifySpec, ...]:
    return tuple(ClassifySpec.model_validate(entry) for entry in entries)


def bench(*entries: dict[str, Any]) -> Bench:
    bench = Bench()
    bench.runner = Runner(
        clock=bench.clock,
        variables={},
        retries={},
        on_log=bench.logs.append,
        types={"http": lambda _: bench.site},
        classify=table(*entries),
    )
    return bench


async def test_an_error_that_the_file_calls_permanent_is_not_tried_again() -> None:
    plain, told = bench(), bench({"match": "refused", "type": "permanent", "category": "validation"})
    workflow = flow(get("a", "down"), retry=THREE)
    assert (await plain.run(workflow)).execution.attempt_count == 3
    execution = (await told.run(workflow)).execution
    assert execution.attempt_count == 1
    assert execution.failure == Failure(
        "a: connection refused by h", ErrorType.PERMANENT, ErrorCategory.VALIDATION
    )
    # Nothing that passes by itself: the target's breaker does not count it.
    assert [breaker.failures for breaker in told.runner.breakers_of("w")] == [0]
    assert [breaker.failures for breaker in plain.runner.breakers_of("w")] == [3]


async def test_a_wrong_answer_that_passes_is_tried_again() -> None:
    expecting = flow(get("a", expect=["json.state == 'ready'"]), retry=THREE, breaker={"threshold": 3})
    told = bench({"status": [200, 202], "match": "state", "type": "TRANSIENT"})
    told.site.json = {"state": "warming up"}
    execution = (await told.run(expecting)).execution
    assert execution.attempt_count == 3
    assert execution.failure is not None
    # The category is what it was: the entry does not say any.
    assert (execution.failure.type, execution.failure.category) == (
        ErrorType.TRANSIENT,
        ErrorCategory.VALIDATION,
    )
    assert told.runner.breaker_of("w") is BreakerState.OPEN


def test_the_first_entry_that_fits_counts() -> None:
    known = ErrorTable(
        table(
            {"match": "deadlock", "type": "TRANSIENT", "category": "database"},
            {"status": 503, "match": "(?i)maintenance", "type": "PERMANENT"},
            {"status": [502, 503], "type": "RATE_LIMIT", "category": "RATE_LIMIT"},
        )
    )
    failure = Failure("Deadlock or Maintenance", ErrorType.UNKNOWN, ErrorCategory.UNKNOWN)
    assert known(failure) == failure
    assert known(failure, 503).type is ErrorType.PERMANENT
    assert known(failure, 502).category is ErrorCategory.RATE_LIMIT
    deadlock = Failure("a deadlock \udcff", ErrorType.UNKNOWN, ErrorCategory.UNKNOWN)
    assert known(deadlock, 503).category is ErrorCategory.DATABASE


FILE = """\
version: 1
settings:
  classify:
    - {match: "a(", type: TRANSIENT}
    - {match: "a", type: SOMETIMES}
    - {type: TRANSIENT}
    - {status: [200, 9999], type: transient, category: databse}
    - {staus: 200, type: transient}
workflows: []
"""


def test_faults_of_the_table_are_told_at_their_places(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(FILE)
    with pytest.raises(ConfigError) as caught:
        load_config(path, env={})
    found = [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]
    assert [line.split(": ")[0] for line in found] == ["5:26", "6:7", "7:22", "7:56", "8:8"]
    assert "SOMETIMES" in found[0]
    path.write_text("\n".join([*FILE.splitlines()[:4], "workflows: []", ""]))
    with pytest.raises(ConfigError) as caught:
        load_config(path, env={})
    assert str(caught.value.problems[0]).startswith(f"{path}:4:15: the pattern cannot be used")


def test_the_schema_of_the_file_explains_the_table() -> None:
    from engine.config.json_schema import file_schema

    entry = file_schema()["$defs"]["ClassifySpec"]["properties"]
    assert "RE2" in entry["match"]["description"]
    assert "transient" in entry["type"]["enum"]
    settings = file_schema()["$defs"]["Settings"]["properties"]
    assert "built-in table" in settings["classify"]["description"]


async def test_what_a_function_fails_with_is_classified_too() -> None:
    entry = {"match": "(?i)no luck", "type": "RATE_LIMIT", "category": "rate_limit"}

    async def body(run: Any) -> None:
        raise ValueError("No luck today")

    written = CodeWorkflow.model_validate({"id": "c", "name": "C", "every": "30s", "body": body})
    failure = (await bench(entry).run(written)).execution.failure
    assert failure is not None
    assert (failure.type, failure.category) == (ErrorType.RATE_LIMIT, ErrorCategory.RATE_LIMIT)
