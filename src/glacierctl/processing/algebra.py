"""Linear algebra as numpy brings it."""

import ctypes


def keep_algebra_to_one_thread() -> None:
    """Let numpy's OpenBLAS begin no threads of its own; to be called before numpy is loaded.

    They would spin for a tenth of a second of CPU at each start, for matrices of a few hundred elements; and where a
    program has threads, OpenBLAS shall have none (https://github.com/OpenMathLib/OpenBLAS/blob/develop/USAGE.md). Who
    has set `OPENBLAS_NUM_THREADS` keeps it. It is set in C, where OpenBLAS looks: Python's `os.environ` stays as the
    user gave it. The worker's image has it among its variables.
    """
    setenv = getattr(ctypes.CDLL(None), "setenv", None)
    if setenv is not None:
        setenv(b"OPENBLAS_NUM_THREADS", b"1", 0)
