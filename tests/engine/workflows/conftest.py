from collections.abc import AsyncIterator

import pytest

from engine.clock import SystemClock
from engine.workflows.steps.http import HttpStep
from tests.engine.workflows.pki import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def http() -> AsyncIterator[HttpStep]:
    step = HttpStep(SystemClock())
    yield step
    await step.close()
