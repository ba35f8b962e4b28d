"""The deployer's policy allows what a deployment does, call by call."""

from typing import Any

import pytest
from tests.support.deployments import Trial, before_calls

from glacierctl.aws import roles
from glacierctl.aws.destroy import destroy, plan_destruction
from glacierctl.aws.history import read_history
from glacierctl.aws.rollback import roll_back
from glacierctl.aws.wanted import KEPT_VERSIONS

_OTHER_NAMES = {"lambda:Invoke": "lambda:InvokeFunction"}
"""Calls whose action is named otherwise (Service Authorization Reference)."""


def actions_of(trial: Trial) -> set[str]:
    """Actions of the calls that are made from now on."""
    made: set[str] = set()

    def note(model: Any, **_: Any) -> None:
        action = f"{model.service_model.endpoint_prefix.removeprefix('api.')}:{model.name}"
        made.add(_OTHER_NAMES.get(action, action))

    before_calls(trial.aws, note)
    return made


@pytest.mark.slow
def test_what_a_deployment_does_from_its_first_to_its_last_day_is_allowed(trial: Trial) -> None:
    made = actions_of(trial)
    for number in range(KEPT_VERSIONS + 1):
        trial.deploy(trial.wanted(f"lean-x86_64-{number:04}", memory_mb=2048 + number, reserved_concurrency=number))
    read_history(trial.aws, trial.names)
    roll_back(trial.aws, trial.names)
    trial.aws.logs.untag_log_group(logGroupName=trial.names.log_group, tags=["glacierctl:managed"])
    trial.deploy(trial.wanted("lean-x86_64-last", log_retention_days=60))
    destroy(trial.aws, plan_destruction(trial.aws, trial.names), on_step=trial.steps.append)
    made -= {"logs:UntagLogGroup"}
    statements = roles.deployer(trial.names)["Statement"]
    allowed = {action for statement in statements for action in statement["Action"]}
    assert made - allowed == set()
    assert len(made) > 30
