"""`@task` functions and their maps."""

from milepost.functions.decorator import TaskFunction, task
from milepost.functions.mapping import TaskMap
from milepost.functions.parts import MapItem, MapPart, MapReduction
from milepost.functions.registered import (
    FunctionOptions,
    RegisteredFunction,
    Registry,
    current_registry,
    provide_default,
    use_registry,
)

__all__ = [
    "FunctionOptions",
    "MapItem",
    "MapPart",
    "MapReduction",
    "RegisteredFunction",
    "Registry",
    "TaskFunction",
    "TaskMap",
    "current_registry",
    "provide_default",
    "task",
    "use_registry",
]
