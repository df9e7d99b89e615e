"""Ways to run one task; each wraps another."""
