"""`python -m glacierctl` is the command line."""

import sys

from glacierctl.cli import main

if __name__ == "__main__":
    sys.exit(main())
