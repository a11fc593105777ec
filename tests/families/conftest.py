"""Lends the families the command line of its own tests."""

from tests.cli.conftest import cli, home

__all__ = ["cli", "home"]
