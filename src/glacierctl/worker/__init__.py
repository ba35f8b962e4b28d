"""The doors by which a task comes in."""

from glacierctl.processing.algebra import keep_algebra_to_one_thread

keep_algebra_to_one_thread()  # here, because the doors load numpy
