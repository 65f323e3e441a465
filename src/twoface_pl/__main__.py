"""``python -m twoface_pl``."""

import sys

from twoface_pl.cli.main import main

sys.exit(main())
