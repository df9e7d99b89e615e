"""Plugins: given to the builder, or found by their entry point."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points

from milepost.model.errors import UsageError
from milepost.ports import Plugin, PluginContext

ENTRY_POINTS = "milepost.plugins"

_log = logging.getLogger("milepost.plugins")


def found_plugins() -> list[Plugin]:
    """Plugins that installed packages offer; one that cannot be loaded, or is none, is logged and left out."""
    plugins: list[Plugin] = []
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            made = entry.load()
            plugins.append(_checked(made() if isinstance(made, type) else made))
        except Exception:
            _log.exception("plugin %r cannot be loaded and is left out", entry.name)
    return plugins


def install(plugins: Iterable[Plugin], context: PluginContext) -> None:
    """Install each plugin; one that fails is logged and left out, with all that it subscribed to.

    Raises
    ------
    UsageError
        When one of them is no plugin.
    """
    for plugin in [_checked(plugin) for plugin in plugins]:
        revocable = _Revocable(context)
        try:
            plugin.install(revocable)
        except Exception:
            revocable.revoke()
            _log.exception("plugin %r %s failed to install and is left out", plugin.name, plugin.version)


class _Revocable:
    """What a plugin reaches, so that it can be undone."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._undo: list[Callable[[], None]] = []

    def on(self, event: str, callback: Callable[..., object]) -> Callable[[], None]:
        """Subscribe to an event."""
        unsubscribe = self._context.on(event, callback)
        self._undo.append(unsubscribe)
        return unsubscribe

    def revoke(self) -> None:
        """As if nothing had been subscribed to."""
        for unsubscribe in self._undo:
            unsubscribe()


def _checked(plugin: Plugin) -> Plugin:
    if isinstance(plugin, type):
        raise UsageError(f"{plugin.__name__} is a class; a plugin is an object: give {plugin.__name__}()")
    missing = [name for name in ("name", "version", "install") if not hasattr(plugin, name)]
    if missing:
        words = "it needs name, version and install(context), and has no"
        raise UsageError(f"{plugin!r} is no plugin: {words} {' and no '.join(missing)}")
    if not callable(plugin.install):
        raise UsageError(f"{plugin!r} is no plugin: its install is not a function")
    return plugin
