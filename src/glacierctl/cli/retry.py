"""`glacierctl retry`: what failed, was lost or was called off, begun again."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from glacierctl.choices import Service
from glacierctl.cli import deployment, ledgers, show
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glacierctl.aws.failures import Failure
    from glacierctl.aws.names import Names
    from glacierctl.aws.session import Aws
    from glacierctl.config import Settings
    from glacierctl.runs.reader import LedgerReader
    from glacierctl.runs.state import RunState
    from glacierctl.runs.submission import Binding


def retry(
    *,
    run: ledgers.RunArgument,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what failed or was lost, not what was called off.")
    ] = False,
    region: Annotated[
        str | None, typer.Option("--region", metavar="NAME", help="Only this region's, whatever it lacks.")
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option("--memory", metavar="MB", min=128, max=10240, help="Give the function this much memory for it."),
    ] = None,
    output: ledgers.LedgerOption = None,
    as_json: show.Json = False,
) -> None:
    """Begin again what failed, was lost or was called off.

    Products that exist are left alone. On Lambda the run stays with the version that it was submitted to; --memory
    publishes that once more. What the failure queue holds of the run is begun again too, and taken out of it. A run on
    this machine is carried on here; exits 1 then if any acquisition failed again.

    Examples:
      glacierctl retry 4f1d
      glacierctl retry 4f1d --region 191_Hagen_Brae --memory 4096
    """
    from glacierctl.config import current_settings

    if failed and region is not None:
        raise UsageError("--failed and --region are two choices", why="both are given", hint="Leave one out.")
    settings = current_settings({"output": output})
    reader = ledgers.find_run(settings, run)
    if memory is not None and reader.submission().binding is None:
        raise UsageError(
            "--memory says nothing about a run on this machine", why="it takes what it needs", hint="Leave it out."
        )
    count = _begin_again(reader, settings, memory, failed_only=failed, region=region)
    if count and reader.submission().service is Service.LOCAL:
        from glacierctl.cli.wait import wait_for

        wait_for(reader, as_json=as_json)
    else:
        _show(reader, count, as_json=as_json)


def _begin_again(
    reader: "LedgerReader", settings: "Settings", memory: int | None, *, failed_only: bool, region: str | None
) -> int:
    from glacierctl.cli.handing import deliver_all
    from glacierctl.runs.handover import handover_lease
    from glacierctl.runs.ledger import Ledger

    with handover_lease(reader.store, reader.run_id) as lease:
        state, names = reader.state(), reader.names()
        of_region = _tasks_of(state, region)
        with _failures(reader, settings, of_region) as failures:
            chosen = _choose(state, of_region, failures, failed_only=failed_only)
            if chosen:
                binding = _binding(reader, settings, memory)
                Ledger(reader.store, reader.run_id).go_on(without=_still_off(state, chosen))
                handed = {name: signs.handed for name, signs in names.tasks.items()}
                todo = [(reader.task(name), handed.get(name, 0) + 1) for name in chosen]
                deliver_all(reader, todo, settings, lease, binding)
    return len(chosen)


def _tasks_of(state: "RunState", region: str | None) -> "tuple[str, ...]":
    """Ids of the tasks of a region, or of all, in the order of the run."""
    ids = tuple(task.task_id for task in state.submission.tasks if region in {None, task.region})
    if not ids:
        raise UsageError(
            f"the run has no task of the region {region}",
            why=f"its regions are {', '.join(state.submission.regions)}",
            hint="Name one of these.",
        )
    return ids


def _choose(
    state: "RunState", of_region: tuple[str, ...], failures: "tuple[Failure, ...]", *, failed_only: bool
) -> tuple[str, ...]:
    """Tasks that lack something that another attempt may bring."""
    from glacierctl.runs.state import State

    open_ids = {*state.unfinished, *state.tasks_in({State.FAILED})}
    lacking = {*state.tasks_in({State.FAILED, State.LOST}), *(one.task_id for one in failures)} & open_ids
    if not failed_only:
        lacking |= set(state.called_off)
    return tuple(one for one in of_region if one in lacking)


def _still_off(state: "RunState", chosen: tuple[str, ...]) -> frozenset[str]:
    """Tasks that were called off, have something to do yet, and are not begun again."""
    from glacierctl.runs.state import State

    open_ids = {*state.unfinished, *state.tasks_in({State.FAILED}), *state.called_off}
    return state.off & open_ids - set(chosen)


@contextmanager
def _failures(
    reader: "LedgerReader", settings: "Settings", task_ids: tuple[str, ...]
) -> "Iterator[tuple[Failure, ...]]":
    """What the failure queue holds of some tasks; taken out of it when the context ends, left there if by an error.

    A queue that cannot be read is said, and is no reason to stop.
    """
    from glacierctl.aws.errors import AwsError
    from glacierctl.aws.failures import forget, give_back, read_failures

    binding = reader.submission().binding
    if binding is None:
        yield ()
        return
    try:
        aws, names = _account(binding, settings)
        failures = read_failures(aws, names, reader.run_id, task_ids)
    except AwsError as error:
        show.say(f"The failure queue is left alone: {error.why}.")
        yield ()
        return
    try:
        yield failures
    except BaseException:
        give_back(aws, names, failures)
        raise
    if failures:
        forget(aws, names, failures)


def _binding(reader: "LedgerReader", settings: "Settings", memory_mb: int | None) -> "Binding | None":
    """What the tasks are handed to: the version that the run is bound to, or the same with other memory."""
    from glacierctl.aws.clock import Clock
    from glacierctl.aws.resized import resized
    from glacierctl.cli.handing import binding_of

    binding = reader.submission().binding
    if binding is None or memory_mb is None or memory_mb == binding.memory_mb:
        return binding
    aws, names = _account(binding, settings)
    return binding_of(resized(aws, names, binding.version, memory_mb, clock=Clock(), on_step=show.say))


def _account(binding: "Binding", settings: "Settings") -> "tuple[Aws, Names]":
    update = {"function_name": binding.function, "aws_region": binding.aws_region}
    return deployment.reach(settings.model_copy(update=update))


def _show(reader: "LedgerReader", count: int, *, as_json: bool) -> None:
    if as_json:
        show.print_json({"run_id": reader.run_id, "handed_over": count})
    elif count:
        show.print_line(f"{reader.run_id}: {show.counted(count, 'task')} begun again.")
    else:
        show.print_line(f"Nothing to begin again: no task of {reader.run_id} has failed, was lost or was called off.")
