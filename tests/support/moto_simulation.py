"""What moto lacks: IAM's policy simulator, judging by `tests.support.policies`."""

import json
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from tests.support.policies import decide


def install() -> None:
    """Teach moto, in this process, to simulate."""
    IamResponse.simulate_principal_policy = _simulate


def _simulate(response: Any) -> ActionResult:
    context = {
        entry["ContextKeyName"]: entry["ContextKeyValues"][0]
        for entry in response._get_param("ContextEntries", []) or []
    }
    policies = policies_of(response.backend, response._get_param("PolicySourceArn"))
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decide(policies, action, resource, context),
        }
        for action in response._get_param("ActionNames")
        for resource in response._get_param("ResourceArns")
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def policies_of(backend: Any, arn: str) -> list[dict[str, Any]]:
    """Inline policies of a user or role."""
    kind, _, name = arn.split(":", 5)[5].partition("/")
    if kind == "user":
        return [json.loads(text) for text in backend.get_user(name.rpartition("/")[2]).policies.values()]
    return [json.loads(text) for text in backend.get_role_by_arn(arn).policies.values()]
