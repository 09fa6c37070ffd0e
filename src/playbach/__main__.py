"""`python -m playbach` is the command `playbach`."""

import sys

from playbach.cli import main

sys.exit(main())
