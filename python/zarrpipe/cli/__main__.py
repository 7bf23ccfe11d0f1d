"""`python -m zarrpipe.cli`: the command line where its script is not on PATH."""

import sys

from zarrpipe.cli import main

sys.exit(main())
