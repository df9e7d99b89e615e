"""Runs tasks in dependency order. Does no I/O and knows no notebook."""
