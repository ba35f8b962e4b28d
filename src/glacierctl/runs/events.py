"""What a worker is sent: the task itself, or its key where it is too large for an event."""

import json

from glacierctl.model import SCHEMA_VERSION, Task
from glacierctl.storage.layout import task_key

LARGEST_EVENT_BYTES = 200_000
"""Lambda's queue takes 256 kB everywhere, and wraps each event in some more when it fails."""


def event_of(task: Task) -> bytes:
    """The event that hands a task over."""
    event = task.model_dump_json(by_alias=True).encode()
    return event if len(event) <= LARGEST_EVENT_BYTES else key_event(task)


def key_event(task: Task) -> bytes:
    """The event that names a task that lies in the ledger."""
    named = {
        "schema": SCHEMA_VERSION,
        "store_url": task.store_url,
        "task_key": task_key(task.run_id, task.task_id),
    }
    return json.dumps(named).encode()
