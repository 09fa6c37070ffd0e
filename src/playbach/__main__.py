"""`python -m playbach` is the command `playbach`."""

import sys

from playbach.cli.main import main

sys.exit(main())
