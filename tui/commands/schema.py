"""`tocsin schema`: what a configuration may say, as JSON Schema, so that editors complete and check it."""

from __future__ import annotations

import argparse
import json


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    from engine.config.json_schema import file_schema

    print(json.dumps(file_schema(), indent=2))
    return 0
