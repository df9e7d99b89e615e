"""Contract suites that every adapter, of this project or of others, can inherit. Needs pytest."""
