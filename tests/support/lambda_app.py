"""Lambda in moto: its backend taught to run invocations and to keep what moto drops, and a door for a test's wishes."""

import copy
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from moto.awslambda.exceptions import UnknownEventConfig
from moto.awslambda.models import EventInvokeConfig, LambdaFunction, LambdaStorage
from moto.awslambda.responses import LambdaResponse
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.responses import ActionResult
from tests.support.lambda_service import Call, Service, Wishes

_LATEST = "$LATEST"


def install(service: Service) -> None:
    """Hand moto's invocations to `service`."""

    def invoke(self: Any) -> tuple[int, dict[str, str], bytes]:
        name = unquote(self.path.rsplit("/", 2)[-2])
        qualifier = self.querystring.get("Qualifier", [None])[0]  # which moto overlooks
        event = self.body if isinstance(self.body, bytes) else (self.body or "{}").encode()
        kind = self.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        headers: dict[str, str] = {"content-type": "application/json"}
        payload = service.invoke(Call(self.backend, name, qualifier, event, str(uuid.uuid4())), kind, headers)
        return {"Event": 202, "DryRun": 204}.get(kind, 200), headers, payload

    LambdaResponse.invoke = invoke
    _keep_settings()
    _keep_invoke_configs()


def serve(service: Service, port: int) -> None:
    """Take wishes on a loopback port: GET tells the state, POST /wishes, /kill and /reset."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(service.state())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if self.path == "/wishes":
                for name, value in body.items():
                    assert name in Wishes.__dataclass_fields__, name
                    setattr(service.wishes, name, value)
            self._answer({"/kill": service.kill, "/reset": service.reset, "/wishes": dict}[self.path]())

        def _answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    threading.Thread(target=ThreadingHTTPServer(("127.0.0.1", port), Door).serve_forever, daemon=True).start()


def _keep_settings() -> None:
    """Keep what moto drops when a function is updated, and an old version's image when a new one comes."""
    update, publish = LambdaFunction.update_configuration, LambdaStorage.publish_version

    def update_configuration(self: Any, config_updates: dict[str, Any]) -> dict[str, Any]:
        if "EphemeralStorage" in config_updates:
            self.ephemeral_storage = config_updates["EphemeralStorage"]["Size"]
        if "ImageConfig" in config_updates:
            self.image_config = type(self.image_config)(config_updates["ImageConfig"])
        return update(self, config_updates)

    def publish_version(self: Any, name_or_arn: str, description: str = "") -> Any:
        published = publish(self, name_or_arn, description)
        if published is not None:
            published.code = copy.deepcopy(published.code)
        return published

    LambdaFunction.update_configuration = update_configuration
    LambdaStorage.publish_version = publish_version


def _keep_invoke_configs() -> None:
    """One configuration of asynchronous invocations for each qualifier, as on Lambda; moto has one for a function."""
    remove = LambdaSimpleBackend.delete_function

    def configs(backend: Any) -> dict[tuple[str, str], EventInvokeConfig]:
        return backend.__dict__.setdefault("invoke_configs", {})

    def key(backend: Any, name: str, qualifier: str | None) -> tuple[str, str]:
        return backend.get_function(name, qualifier).function_name, qualifier or _LATEST

    def invoke_config(backend: Any, name: str, qualifier: str | None) -> dict[str, Any]:
        kept = configs(backend).get(key(backend, name, qualifier))
        return kept.config if kept else {}

    def delete_function(backend: Any, function_name: str, qualifier: str | None = None) -> None:
        name = backend.get_function(function_name, qualifier).function_name
        for kept in [kept for kept in configs(backend) if kept[0] == name and qualifier in {None, kept[1]}]:
            del configs(backend)[kept]
        remove(backend, function_name, qualifier)

    def put(response: Any, merged: dict[str, Any] | None = None) -> EventInvokeConfig:
        backend, (name, qualifier) = response.backend, _asked(response)
        function = backend.get_function(name, qualifier)
        kept = EventInvokeConfig(
            f"{function.function_arn.removesuffix(':' + str(function.version))}:{qualifier or _LATEST}",
            function.last_modified,
            {**(merged or {}), **response.json_body},
        )
        configs(backend)[key(backend, name, qualifier)] = kept
        return kept

    def found(response: Any) -> EventInvokeConfig:
        backend, (name, qualifier) = response.backend, _asked(response)
        kept = configs(backend).get(key(backend, name, qualifier))
        if kept is None:
            raise UnknownEventConfig(f"{backend.get_function(name, None).function_arn}:{qualifier or _LATEST}")
        return kept

    def put_function_event_invoke_config(self: Any) -> ActionResult:
        return ActionResult(put(self).response())

    def update_function_event_invoke_config(self: Any) -> str:
        return json.dumps(put(self, found(self).config).response())

    def get_function_event_invoke_config(self: Any) -> ActionResult:
        return ActionResult(found(self).response())

    def delete_function_event_invoke_config(self: Any) -> tuple[int, dict[str, Any], str]:
        found(self)
        del configs(self.backend)[key(self.backend, *_asked(self))]
        return 204, {"status": 204}, "{}"

    def list_function_event_invoke_configs(self: Any) -> str:
        name = self.backend.get_function(unquote(self.path.rsplit("/", 3)[1]), None).function_name
        kept = [one.response() for (function, _), one in configs(self.backend).items() if function == name]
        return json.dumps({"FunctionEventInvokeConfigs": kept})

    LambdaSimpleBackend.invoke_config = invoke_config
    LambdaSimpleBackend.delete_function = delete_function
    for method in (
        put_function_event_invoke_config,
        update_function_event_invoke_config,
        get_function_event_invoke_config,
        delete_function_event_invoke_config,
        list_function_event_invoke_configs,
    ):
        setattr(LambdaResponse, method.__name__, method)


def _asked(response: Any) -> tuple[str, str | None]:
    name = unquote(response.path.rsplit("/", 2)[1])
    return name, response.querystring.get("Qualifier", [None])[0]
