"""Contract suites that every adapter, of this project or of others, can inherit; a clock for tests. Needs pytest."""

import pytest

pytest.register_assert_rewrite(
    "milepost.testing.crash", "milepost.testing.executor", "milepost.testing.store"
)  # so that failures show values
