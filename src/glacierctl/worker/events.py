"""What a worker is sent: a task, the keys of some, or the question whether it is ready."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from glacierctl.model import SCHEMA_VERSION, Task, Value
from glacierctl.storage.interface import Store

_Kind = TypeVar("_Kind", bound=Value)

_PROBLEMS = 3
"""How many of an event's problems an error names."""


class BadEventError(Exception):
    """What came in is no task. Sending it again does not help."""


class TaskKey(Value):
    """A task that lies in the store, because it is too large for an event."""

    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, alias="schema")
    """Version of this event; written as `schema`."""
    store_url: str
    """Where the task lies, and its products go."""
    task_key: str = Field(min_length=1)
    """Its key there: `runs/{run_id}/tasks/{task_id}.json`."""


class TaskKeys(Value):
    """Several tasks that lie in the store: one after the other, such as small regions in one invocation."""

    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, alias="schema")
    """Version of this event; written as `schema`."""
    store_url: str
    """Where the tasks lie, and their products go."""
    task_keys: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    """Their keys there, in the order of work."""


def is_smoke(event: Any) -> bool:
    """Whether a deployment asks if the function works."""
    return bool(event == {"smoke": True})


def read_event(event: Any, open_store: Callable[[str], Store]) -> tuple[tuple[Task, ...], Store]:
    """The tasks that an event is or names, and their store.

    Args:
        event: JSON that was sent.
        open_store: opens a store by its URL.

    Raises:
        BadEventError: it is no task that this version understands.
        StoreError: the store cannot be read.
    """
    if not isinstance(event, Mapping):
        raise BadEventError(f"an event must be a JSON object, not {type(event).__name__}")
    if "task_keys" in event:
        several = _validated(TaskKeys, event)
        return _stored(several.task_keys, open_store(several.store_url))
    if "task_key" in event:
        one = _validated(TaskKey, event)
        return _stored((one.task_key,), open_store(one.store_url))
    task = _validated(Task, event)
    return (task,), open_store(task.store_url)


def _stored(keys: tuple[str, ...], store: Store) -> tuple[tuple[Task, ...], Store]:
    contents = {key: store.get(key) for key in keys}
    missing = [key for key, content in contents.items() if content is None]
    if missing:
        raise BadEventError(f"there is no task {missing[0]} in {store.url}")
    return tuple(_validated(Task, content) for content in contents.values()), store


def _validated(kind: type[_Kind], content: Any) -> _Kind:
    try:
        if isinstance(content, bytes):
            return kind.model_validate_json(content)
        return kind.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        said = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'event'}: {one['msg']}" for one in problems[:_PROBLEMS])
        more = f"; and {len(problems) - _PROBLEMS} more" if len(problems) > _PROBLEMS else ""
        raise BadEventError(f"the event is not a {kind.__name__} of schema {SCHEMA_VERSION}: {said}{more}") from error
