"""Run the command line with `python -m playbach`."""

import sys

from playbach.cli.main import main

sys.exit(main())
