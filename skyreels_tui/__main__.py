"""`python -m skyreels_tui` is `skyreels-tui`."""

import sys

from skyreels_tui.cli import main

sys.exit(main())
