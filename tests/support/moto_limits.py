"""What moto lacks: the limits of the account, as an account has them that AWS has opened."""

import json
from typing import Any

from moto.awslambda import urls
from moto.awslambda.responses import LambdaResponse
from moto.core.responses import ActionResult
from moto.servicequotas.responses import ServiceQuotasResponse

CONCURRENCY = 1000
"""How many invocations may run at once."""
MEMORY_MB = 10_240
"""Most memory of a function."""


def install() -> None:
    """Teach moto, in this process, to tell the limits."""
    urls.url_paths[r"{0}/(?P<api_version>[^/]+)/account-settings/?$"] = LambdaResponse.dispatch
    LambdaResponse.get_account_settings = _settings
    ServiceQuotasResponse.list_service_quotas = _quotas


def _settings(response: Any) -> ActionResult:
    reserved = sum(int(one.reserved_concurrency or 0) for one in response.backend.list_functions())
    limit = {"ConcurrentExecutions": CONCURRENCY, "UnreservedConcurrentExecutions": CONCURRENCY - reserved}
    return ActionResult({"AccountLimit": limit, "AccountUsage": {}})


def _quotas(response: Any) -> str:
    quotas = [
        {"ServiceCode": "lambda", "QuotaName": "Concurrent executions", "Value": float(CONCURRENCY)},
        {"ServiceCode": "lambda", "QuotaName": "Function memory maximum", "Value": float(MEMORY_MB)},
    ]
    asked = json.loads(response.body)["ServiceCode"]
    return json.dumps({"Quotas": [one for one in quotas if one["ServiceCode"] == asked]})
