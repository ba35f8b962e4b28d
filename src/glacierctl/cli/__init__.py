"""The command line: text becomes values, one function is called, its result is shown. The only room that prints."""

from glacierctl.cli.app import main

__all__ = ["main"]
