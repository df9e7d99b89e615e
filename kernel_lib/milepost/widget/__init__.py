"""Drawing tasks: a live widget, and static SVG, HTML and text. `milepost.widget.model` alone imports anywidget."""
