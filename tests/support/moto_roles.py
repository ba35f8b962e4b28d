"""What moto lacks: Lambda looks whether a function's role may do what event sources and destinations take.

In the words of AWS, which says InvalidParameterValueException to all of it.
"""

from collections.abc import Iterable
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaBackend
from moto.awslambda.responses import LambdaResponse
from moto.iam.models import iam_backends
from tests.support.moto_simulation import policies_of
from tests.support.policies import ALLOWED, decide

_READING = {"sqs": ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
"""What Lambda does to a source, as the role, by its service."""
_REPORTING = {"sqs": "SendMessage", "sns": "Publish", "lambda": "InvokeFunction", "events": "PutEvents"}
"""The same to a destination."""


def install() -> None:
    """Teach moto, in this process, to look. After all else that changes its Lambda."""
    create, update = LambdaBackend.create_event_source_mapping, LambdaBackend.update_event_source_mapping
    put = LambdaResponse.put_function_event_invoke_config

    def create_event_source_mapping(self: Any, spec: dict[str, Any]) -> Any:
        _require_reading(self, spec["FunctionName"], spec["EventSourceArn"])
        return create(self, spec)

    def update_event_source_mapping(self: Any, uuid: str, spec: dict[str, Any]) -> Any:
        mapping = self.get_event_source_mapping(uuid)
        if mapping and spec.get("Enabled", mapping.enabled):
            _require_reading(self, spec.get("FunctionName", mapping.function_arn), mapping.event_source_arn)
        return update(self, uuid, spec)

    def put_function_event_invoke_config(self: Any) -> Any:
        name = self.path.rsplit("/", 2)[1]
        told = self.json_body.get("DestinationConfig") or {}
        _require_reporting(self.backend, name, [one["Destination"] for one in told.values() if one])
        return put(self)

    LambdaBackend.create_event_source_mapping = create_event_source_mapping
    LambdaBackend.update_event_source_mapping = update_event_source_mapping
    LambdaResponse.put_function_event_invoke_config = put_function_event_invoke_config


def _require_reading(backend: Any, function: str, source: str) -> None:
    service = source.split(":")[2]
    for action in _READING.get(service, ()):
        if not _may(backend, function, f"{service}:{action}", source):
            told = f"The function execution role does not have permissions to call {action} on {service.upper()}"
            raise InvalidParameterValueException(told)


def _require_reporting(backend: Any, function: str, destinations: Iterable[str]) -> None:
    for arn in destinations:
        service = arn.split(":")[2]
        if not _may(backend, function, f"{service}:{_REPORTING[service]}", arn):
            told = f"The function's execution role does not have permissions to call {_REPORTING[service]} on {arn}"
            raise InvalidParameterValueException(told)


def _may(backend: Any, function: str, action: str, resource: str) -> bool:
    role = backend.get_function(function).role
    policies = policies_of(iam_backends[backend.account_id]["aws"], role)
    return decide(policies, action, resource) == ALLOWED
