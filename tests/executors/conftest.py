"""A board of notes and gates for bodies in other processes."""

from tests.engine.conftest import board

__all__ = ["board"]
