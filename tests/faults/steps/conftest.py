import asyncio

import pytest

from engine.clock import settle
from engine.workflows.steps.probe import Probe
from engine.workflows.steps.resolver import Resolver
from tests.faults.steps.census import PATIENCE, descriptors


@pytest.fixture(autouse=True)
async def names_were_looked_up_before() -> None:
    """The library for names has one thread for the whole process, which begins with the first name.

    That thread closes what names were asked over, one after another and later than whoever closes it knows:
    once the last is gone, nothing of earlier tests vanishes while this one counts.
    """
    before = descriptors()
    resolver = Resolver()
    await resolver.resolve("localhost", Probe())
    own = descriptors() - before
    assert own
    await resolver.close()
    async with asyncio.timeout(6 * PATIENCE):
        while own & descriptors():
            await settle(1)
