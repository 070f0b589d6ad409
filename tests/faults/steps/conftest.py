import pytest

from engine.workflows.steps.probe import Probe
from engine.workflows.steps.resolver import Resolver


@pytest.fixture(autouse=True)
async def names_were_looked_up_before() -> None:
    """The library for names has one thread for the whole process, which begins with the first name."""
    resolver = Resolver()
    await resolver.resolve("localhost", Probe())
    await resolver.close()
