"""Loops within a task that go on after a kill: what is kept of them, when that counts, and putting it back."""
