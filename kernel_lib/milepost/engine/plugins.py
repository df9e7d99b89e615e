"""Plugins: given to the builder, or found by their entry point."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib.metadata import entry_points

from milepost.model.errors import UsageError
from milepost.ports import Plugin, PluginContext

ENTRY_POINTS = "milepost.plugins"

_log = logging.getLogger("milepost.plugins")


def found_plugins() -> list[Plugin]:
    """Plugins that installed packages offer; one that cannot be loaded is logged and left out."""
    plugins: list[Plugin] = []
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            made = entry.load()
            plugins.append(made() if isinstance(made, type) else made)
        except Exception:
            _log.exception("plugin %r cannot be loaded and is left out", entry.name)
    return plugins


def install(plugins: Iterable[Plugin], context: PluginContext) -> None:
    """Install each plugin; one that fails is logged and left out."""
    for plugin in plugins:
        if not isinstance(plugin, Plugin):
            raise UsageError(f"{plugin!r} is no plugin: it needs name, version and install(context)")
        try:
            plugin.install(context)
        except Exception:
            _log.exception("plugin %r %s failed to install and is left out", plugin.name, plugin.version)
