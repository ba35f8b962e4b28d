"""`glacierctl cancel`: a run called off."""

import datetime as dt

from glacierctl.cli import ledgers, show


def cancel(*, run: ledgers.RunArgument, output: ledgers.LedgerOption = None, as_json: show.Json = False) -> None:
    """Call a run off.

    What has not begun will not begin; workers stop at their next acquisition. What was made stays. `glacierctl retry`
    takes it back. A run that has ended is left as it is.

    Examples:
      glacierctl cancel 4f1d
    """
    from glacierctl.config import current_settings
    from glacierctl.runs.ledger import Ledger

    reader = ledgers.find_run(current_settings({"output": output}), run)
    state = reader.state()
    has_ended = state.settled and not state.interrupted and not state.cancelled
    is_new = not has_ended and Ledger(reader.store, reader.run_id).cancel(dt.datetime.now(dt.UTC))
    if as_json:
        before = not is_new and not has_ended
        show.print_json({"run_id": reader.run_id, "cancelled_before": before, "has_ended": has_ended})
    elif has_ended:
        show.print_line(f"The run {reader.run_id} has ended: there is nothing to call off.")
    elif is_new:
        show.print_line(f"The run {reader.run_id} is called off; workers stop at their next acquisition.")
    else:
        show.print_line(f"The run {reader.run_id} had been called off before.")
