"""A whole life of a deployment, each call judged by the deployer's policy: action, resource and condition."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from tests.support.deployments import VERSION, Trial
from tests.support.policies import ALLOWED, decide
from tests.support.zips import Old
from tests.unit.test_permissions import OTHER_ACTIONS

from glacierctl.aws import conversion, health, limits, roles, worker_role
from glacierctl.aws.destroy import destroy, plan_destruction
from glacierctl.aws.drift import check_drift
from glacierctl.aws.errors import Denied
from glacierctl.aws.function_health import check_function
from glacierctl.aws.history import read_history
from glacierctl.aws.permissions import compare_role
from glacierctl.aws.rollback import roll_back
from glacierctl.aws.wanted import Wanted
from glacierctl.cli.deploy_conversion import download

SERVICES = ("ecr", "iam", "functions", "invoker", "logs", "quotas", "s3", "sqs")
Judged = dict[tuple[str, str], str]


def judge_calls(trial: Trial, own_role: str | None = None) -> Judged:
    """What the deployer's policy says of each call that is made from now on, by action and resource."""
    judged: Judged = {}
    policy = json.loads(json.dumps(roles.deployer(trial.names, own_role)))
    for service in SERVICES:
        client: Any = getattr(trial.aws, service)
        prefix = {"functions": "lambda", "invoker": "lambda", "quotas": "servicequotas"}.get(service, service)

        def judge(params: dict[str, Any], model: Any, prefix: str = prefix, **_: Any) -> None:
            action = OTHER_ACTIONS.get(f"{prefix}:{model.name}", f"{prefix}:{model.name}")
            resource, context = _asked(trial, prefix, model.name, params)
            judged[action, resource] = decide([policy], action, resource, context)
            if role := params.get("Role"):
                passed = {"iam:PassedToService": "lambda.amazonaws.com"}
                judged["iam:PassRole", role] = decide([policy], "iam:PassRole", role, passed)

        client.meta.events.register("before-parameter-build", judge)
    return judged


def _asked(trial: Trial, service: str, operation: str, params: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The resource of a call and its condition keys, as the Service Authorization Reference has them."""
    account = f"us-west-2:{trial.names.account}"
    if "EventSourceMapping" in operation:
        return _asked_of_mapping(trial, account, params)
    resources = {"ecr": _of_ecr, "iam": _of_iam, "logs": _of_logs, "sqs": _of_sqs, "s3": _of_s3}
    return resources.get(service, _of_lambda)(account, params), {}


def _asked_of_mapping(trial: Trial, account: str, params: dict[str, Any]) -> tuple[str, dict[str, str]]:
    function = params.get("FunctionName", trial.names.function)
    context = {"lambda:FunctionArn": f"arn:aws:lambda:{account}:function:{function}"}
    return (f"arn:aws:lambda:{account}:event-source-mapping:{params['UUID']}" if "UUID" in params else "*"), context


def _of_ecr(account: str, params: dict[str, Any]) -> str:
    name = params.get("repositoryName") or (params.get("repositoryNames") or [""])[0]
    return params.get("resourceArn") or (f"arn:aws:ecr:{account}:repository/{name}" if name else "*")


def _of_iam(account: str, params: dict[str, Any]) -> str:
    return f"arn:aws:iam::{account.partition(':')[2]}:role/{params['RoleName']}"


def _of_logs(account: str, params: dict[str, Any]) -> str:
    group, stream = params.get("logGroupName", ""), params.get("logStreamName", "")
    return params.get("resourceArn") or f"arn:aws:logs:{account}:log-group:{group}:log-stream:{stream}"


def _of_sqs(account: str, params: dict[str, Any]) -> str:
    return f"arn:aws:sqs:{account}:{params.get('QueueName') or params['QueueUrl'].rpartition('/')[2]}"


def _of_s3(_: str, params: dict[str, Any]) -> str:
    return f"arn:aws:s3:::{params['Bucket']}"


def _of_lambda(account: str, params: dict[str, Any]) -> str:
    if "FunctionName" not in params:
        return str(params.get("Resource", "*"))
    qualifier = params.get("Qualifier") or params.get("Name")
    return f"arn:aws:lambda:{account}:function:{params['FunctionName']}" + (f":{qualifier}" if qualifier else "")


def refuse_looks_at(trial: Trial, role: str) -> None:
    """Let IAM refuse to tell of this role."""
    told = {
        "Error": {"Code": "AccessDenied", "Message": f"somebody is not authorized to perform: iam:GetRole on {role}"}
    }
    asked: list[str] = []
    events = trial.aws.iam.meta.events
    events.register("before-parameter-build.iam.GetRole", lambda params, **_: asked.append(params["RoleName"]))
    events.register(
        "before-call.iam.GetRole", lambda **_: (SimpleNamespace(status_code=403), told) if asked[-1] == role else None
    )


def assert_all_allowed(judged: Judged, at_least: int) -> None:
    assert len(judged) > at_least
    assert {call: said for call, said in judged.items() if said != ALLOWED} == {}


def test_deploy_doctor_history_rollback_and_destroy(trial: Trial) -> None:
    boto3.client("s3").create_bucket(
        Bucket=trial.names.bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    judged = judge_calls(trial)
    trial.deploy(trial.wanted(reserved_concurrency=5))
    trial.deploy(trial.wanted("lean-x86_64-bbbb", memory_mb=3000))
    aws, names = trial.aws, trial.names
    health.check_bucket(aws, names)
    health.check_repository(aws, names)
    check_function(aws, names, own_version=VERSION)
    check_drift(aws, names, lambda image: trial.wanted(image=image))
    limits.check_limits(aws, names, memory_mb=2048, reserved=None)
    compare_role(aws, names)
    history = read_history(aws, names)
    assert history
    roll_back(aws, names)
    destroy(aws, plan_destruction(aws, names), on_step=trial.steps.append)
    assert_all_allowed(judged, 50)


def test_with_a_role_of_ones_own_no_other_is_needed(trial: Trial) -> None:
    names = trial.names
    own = replace(names, function=f"{names.function}-own").role_arn
    worker_role.create(trial.aws, replace(names, function=f"{names.function}-own"), trial.wanted().role())
    judged = judge_calls(trial, own)
    refuse_looks_at(trial, names.role)
    trial.deploy(trial.wanted(role_arn=own))
    trial.deploy(trial.wanted("lean-x86_64-bbbb", role_arn=own))
    destruction = plan_destruction(trial.aws, names)
    assert [(one.name, one.why) for one in destruction.stays[:-1]] == [
        (names.role, f"these credentials do not allow iam:GetRole, and the role in use is {own}")
    ]
    destroy(trial.aws, destruction, on_step=trial.steps.append)
    assert judged.pop(("iam:GetRole", names.role_arn)) != ALLOWED
    assert_all_allowed(judged, 40)
    assert [one.name for one in plan_destruction(trial.aws, names, own).goes] == []


def test_leaving_does_not_begin_if_the_role_in_use_may_not_be_looked_at(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    refuse_looks_at(trial, trial.names.role)
    with pytest.raises(Denied, match="iam:GetRole"):
        plan_destruction(trial.aws, trial.names)


def test_a_conversion_asks_for_the_old_role_beside(trial: Trial, tmp_path: Path) -> None:
    old = Old(trial)
    trial.aws = trial.reach()
    trial.answer()
    judged = judge_calls(trial)

    def convert(wanted: Wanted, beat: Callable[[], None]) -> tuple[str, ...]:
        return conversion.convert(
            trial.aws, wanted, tmp_path, beat=beat, download=download, clock=trial.time.clock(), say=print
        )

    trial.deploy(trial.wanted(), convert=convert)
    assert judged.pop(("iam:PassRole", old.role_arn)) != ALLOWED
    assert_all_allowed(judged, 40)
