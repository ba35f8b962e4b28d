"""Memory as the C library keeps it."""

import ctypes

_M_ARENA_MAX = -8
"""As malloc.h of glibc numbers it: https://man7.org/linux/man-pages/man3/mallopt.3.html"""


def share_heap() -> None:
    """Let all threads that begin from now on allocate from one heap.

    glibc gives threads heaps of their own, and each keeps for itself what was once freed in it: with every acquisition
    more memory is resident that nobody uses (docs/decisions/0010). Where the C library has no such setting (macOS),
    nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_back_heap() -> None:
    """Hand memory that was freed back to the system, as far as the C library can.

    https://man7.org/linux/man-pages/man3/malloc_trim.3.html; elsewhere than with glibc nothing happens.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
