"""`glacierctl resume`: what an interrupted submit has left undone."""

from glacierctl.choices import Service
from glacierctl.cli import ledgers, show
from glacierctl.errors import UsageError


def resume(*, run: ledgers.RunArgument, output: ledgers.LedgerOption = None, as_json: show.Json = False) -> None:
    """Hand over what an interrupted `submit` has not.

    Goes on where that was stopped, by Ctrl-C or a crash, from any machine. A run on one's own machine is carried on
    here. What was handed over is left alone: see `glacierctl retry` for what failed.

    Examples:
      glacierctl resume 4f1d
    """
    from glacierctl.cli.handing import hand_over_rest
    from glacierctl.config import current_settings

    settings = current_settings({"output": output})
    reader = ledgers.find_run(settings, run)
    state = reader.state()
    if state.cancelled and not state.not_begun:
        raise UsageError(
            f"the run {reader.run_id} was called off",
            why="whoever takes up a task of it would lay it down at once",
            hint=f"Take that back, and begin what is left, with: glacierctl retry {reader.run_id}",
        )
    handed = hand_over_rest(reader, settings)
    if reader.submission().service is Service.LOCAL:
        from glacierctl.cli.wait import wait_for

        wait_for(reader, as_json=as_json)
    elif as_json:
        show.print_json({"run_id": reader.run_id, "handed_over": handed.tasks, "handed_over_before": handed.before})
    elif handed.tasks:
        show.print_line(f"Handed over {show.counted(handed.tasks, 'task')}; {handed.before} had been before.")
    else:
        show.print_line(f"Nothing was left: all {handed.before} tasks had been handed over.")
