"""Results read back from a store: which products there are, copies of them, stacks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glacierctl.results.stack import open_stack

__all__ = ["open_stack"]


def __getattr__(name: str) -> Any:
    """Load what stacks need when they are asked for: a listing can do without."""
    if name != "open_stack":
        raise AttributeError(name)
    from glacierctl.results.stack import open_stack  # noqa: PLC0415

    return open_stack
