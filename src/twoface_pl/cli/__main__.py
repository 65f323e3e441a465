"""``python -m twoface_pl.cli``."""

import sys

from twoface_pl.cli.main import main

sys.exit(main())
