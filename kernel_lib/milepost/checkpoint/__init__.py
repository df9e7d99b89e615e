"""Saved results on disk and in memory: bytes and records, authenticated, never values."""
