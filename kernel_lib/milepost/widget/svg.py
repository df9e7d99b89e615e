"""Tasks as one static SVG: its own light background, so it reads the same on any page."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.widget.layout import Layout, NodeBox, layout
from milepost.widget.shorten import shorten
from milepost.widget.words import size, time_words, totals

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
TEXT, MUTED, ARROW, PAPER = "#1f2328", "#4a5056", "#6e7781", "#ffffff"
DASHES = {
    TaskState.PENDING: "5 4",
    TaskState.STALE: "8 3 2 3",
    TaskState.SKIPPED: "2 3",
    TaskState.IN_DOUBT: "6 3",
    TaskState.UNTRUSTED: "6 3",
}
TITLE_LENGTH = 300
LETTER = 6.3
"""Pixels that a letter of the smallest print takes, about."""


def edges_of(views: Sequence[TaskView]) -> list[tuple[str, str]]:
    """The arrows that `after` draws."""
    return [(before, view.name) for view in views for before in view.after]


def layout_of(views: Sequence[TaskView]) -> Layout:
    """The layout of these tasks."""
    return layout((view.name for view in views), edges_of(views))


def to_svg(views: Sequence[TaskView], placed: Layout | None = None) -> str:
    """A stand-alone SVG document; `placed` saves laying out again."""
    placed = placed or layout_of(views)
    by_name = {view.name: view for view in views}
    width, height = max(placed.width, 160.0), max(placed.height, 40.0)
    arrows = "".join(
        f'<path d="{edge.path}" fill="none" stroke="{ARROW}" stroke-width="1.3" marker-end="url(#milepost-tip)"/>'
        for edge in placed.edges
    )
    boxes = "".join(_node(node, by_name[node.name]) for node in placed.nodes if node.name in by_name)
    boxes += "".join(_group(node, [by_name[name] for name in node.members if name in by_name]) for node in placed.nodes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="task graph" font-family="{FONT}">{_TIP}'
        f'<rect width="{width:g}" height="{height:g}" rx="6" fill="{PAPER}"/>{arrows}{boxes}</svg>'
    )


_TIP = (
    '<defs><marker id="milepost-tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
    f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{ARROW}"/></marker></defs>'
)


def _node(node: NodeBox, view: TaskView) -> str:
    words = " · ".join(part for part in (view.style.word, time_words(view)) if part)
    return (
        f'<g transform="translate({node.x:g} {node.y:g})"><title>{escape(_title(view))}</title>{_box(node, view)}'
        f'<text x="12" y="25" font-size="15" fill="{view.style.line}">{escape(view.style.symbol)}</text>'
        f'<text x="34" y="24" font-size="13" font-weight="600" fill="{TEXT}">{escape(node.label)}</text>'
        f'<text x="12" y="45" font-size="11.5" fill="{MUTED}">{escape(words)}</text>{_size(node, view)}'
        f'<text x="12" y="63" font-size="10.5" fill="{MUTED}">{escape(_reason(node, view))}</text></g>'
    )


def _group(node: NodeBox, members: Sequence[TaskView]) -> str:
    """A box that stands for several tasks: how many are in which state."""
    if not members:
        return ""
    return (
        f'<g transform="translate({node.x:g} {node.y:g})"><rect width="{node.w:g}" height="{node.h:g}" rx="7" '
        f'fill="{PAPER}" stroke="{ARROW}" stroke-width="1.3"/><text x="12" y="24" font-size="13" font-weight="600" '
        f'fill="{TEXT}">{escape(node.label)}</text><text x="12" y="45" font-size="11.5" fill="{MUTED}">'
        f"{escape(shorten(totals(members), int((node.w - 24) / LETTER)))}</text></g>"
    )


def _box(node: NodeBox, view: TaskView) -> str:
    style, dash = view.style, DASHES.get(view.state)
    thick = 2.5 if view.state in (TaskState.RUNNING, TaskState.FAILURE) else 1.3
    dashes = f" stroke-dasharray={quoteattr(dash)}" if dash else ""
    outer = (
        f'<rect width="{node.w:g}" height="{node.h:g}" rx="7" fill="{style.fill}" stroke="{style.line}" '
        f'stroke-width="{thick}"{dashes}/>'
    )
    if not view.restored:
        return outer
    return outer + (
        f'<rect x="3" y="3" width="{node.w - 6:g}" height="{node.h - 6:g}" rx="5" fill="none" '
        f'stroke="{style.line}" stroke-width="1"/>'
    )


def _size(node: NodeBox, view: TaskView) -> str:
    if not view.saved:
        return ""
    return (
        f'<text x="{node.w - 10:g}" y="45" font-size="11" text-anchor="end" fill="{MUTED}">'
        f"{escape(size(view.nbytes))}</text>"
    )


def _reason(node: NodeBox, view: TaskView) -> str:
    """Why, or what failed, as far as it fits."""
    return shorten(view.error or view.progress or (view.why.text if view.why else ""), int((node.w - 24) / LETTER))


def _title(view: TaskView) -> str:
    """What a pointer resting on the box shows."""
    why = view.error or (view.why.text if view.why else "")
    return shorten(f"{view.name}: {view.style.word}" + (f" – {why}" if why else ""), TITLE_LENGTH)
