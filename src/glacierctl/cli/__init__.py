"""The command line: text becomes values, one function is called, its result is shown. The only room that prints."""

import atexit
import gc
import sys
from collections.abc import Sequence

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see `glacierctl.cli.app.main`. Ctrl-C while it is still being loaded is no error."""
    # on its way out Python looks for garbage in all that was loaded, again and again; nobody needs that memory by then
    atexit.register(gc.freeze)
    try:
        from glacierctl.cli.app import main as run

        return run(argv)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return _INTERRUPTED
