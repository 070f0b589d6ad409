"""What only a network of one's own can show; collected where root may make one."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

from tests.faults.steps.inside import OUTSIDE

COMMAND = ["unshare", "--net", sys.executable, "-m", "tests.faults.steps.inside"]


def is_possible() -> bool:
    """Whether this user may make a network."""
    if os.geteuid() != 0:
        return False
    try:
        return subprocess.run(["unshare", "--net", "true"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


async def inside(*arguments: str) -> dict[str, Any]:
    """What the program says that runs there."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(30):
        out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


if is_possible():

    async def test_everybody_may_ping_where_the_system_lets_them() -> None:
        said = await inside("ping", "open")
        assert said.pop("198.51.100.1") == "StepError: no route to 198.51.100.1 (echo)"
        assert said == {"127.0.0.1": 2, "::1": 2, OUTSIDE: 2, "kind": "SOCK_DGRAM"}

    async def test_where_it_does_not_the_way_out_is_told() -> None:
        said = await inside("ping", "closed")
        words = (
            "CheckError: this user may not ping; let everybody by `sysctl "
            "net.ipv4.ping_group_range='0 2147483647'`, or give the program CAP_NET_RAW"
        )
        assert said == dict.fromkeys(("127.0.0.1", "::1", OUTSIDE, "198.51.100.1"), words)

    async def test_no_redirect_leads_from_outside_to_this_machine() -> None:
        said = await inside("redirect", "http://127.0.0.1:8080/", OUTSIDE)
        assert said["error"].startswith("redirect from outside to 127.0.0.1 is refused")

    async def test_nor_does_a_name_that_moves_inside_meanwhile() -> None:
        said = await inside("redirect", "/again", OUTSIDE, "127.0.0.1")
        assert said["error"].startswith("redirect from outside to shop.test is refused")
        assert (await inside("redirect", "/again", OUTSIDE))["error"].startswith("over 5 redirects")
