"""`python -m milepost.cli`, where the command `milepost` is not on the path."""

import sys

from milepost.cli.main import main

sys.exit(main())
