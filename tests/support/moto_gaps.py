"""What moto does otherwise than AWS, mended where a deployment would see it. Loaded into moto's process.

AWS's ways are those of its API reference: an image's digest is that of its manifest, `CodeSha256` of a function is its
image's digest, numbers of versions are never given twice, an alias has a revision. Of many that put a new object under
a condition one succeeds. See lambda_app.py for invocations.
"""

import copy
import hashlib
import re
import threading
import uuid
from typing import Any

from moto.awslambda import models, responses
from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError
from moto.ecr import models as ecr_models
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response

_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})$")


class PreconditionFailedError(LambdaClientError):
    """Somebody else has changed it."""

    code = 412

    def __init__(self) -> None:
        super().__init__("PreconditionFailedException", "The RevisionId provided does not match the latest one.")


def mend() -> None:
    """Change moto in this process."""
    ecr_models.Image._create_digest = _digest_manifest
    models.LambdaFunction._set_function_code = _with_digest(models.LambdaFunction._set_function_code)
    models.LambdaStorage.publish_version = _publish_version
    models.LambdaAlias.update = _with_revision(models.LambdaAlias.update)
    models.LambdaBackend.create_function = _checking_code_s_place(models.LambdaBackend.create_function)
    models.LambdaBackend.update_function_code = _trying(models.LambdaBackend.update_function_code)
    S3Response.put_object = _one_at_a_time(S3Response.put_object)
    responses.LambdaResponse.update_alias = _checking_revision(responses.LambdaResponse.update_alias)


def _one_at_a_time(original: Any) -> Any:
    """Looking whether an object is there and putting it are one step."""
    lock = threading.Lock()

    def put_object(self: Any) -> Any:
        with lock:
            return original(self)

    return put_object


def _digest_manifest(self: Any) -> None:
    self._image_digest = "sha256:" + hashlib.sha256(self.image_manifest.encode()).hexdigest()


def _with_digest(original: Any) -> Any:
    def set_function_code(self: Any, spec: Any) -> None:
        original(self, spec)
        if found := _DIGEST.search(spec.get("ImageUri", "")):
            self.code_sha_256 = found[1]

    return set_function_code


def _publish_version(self: Any, name_or_arn: str, description: str = "") -> Any:
    function = self.get_function_by_name_or_arn_forbid_qualifier(name_or_arn)
    versions = self._functions[function.function_name]["versions"]
    if versions and not function.code_or_config_updated:
        return versions[-1]
    function.code_or_config_updated = False
    function.last_number = getattr(function, "last_number", 0) + 1
    version = copy.copy(function)
    version.set_version(function.last_number)
    version.description = description or version.description
    versions.append(version)
    self._arns[version.function_arn] = version
    return version


def _with_revision(original: Any) -> Any:
    def update(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.revision_id = str(uuid.uuid4())

    return update


def _checking_revision(original: Any) -> Any:
    def update_alias(self: Any) -> Any:
        parts = self.path.split("/")
        revision = self.json_body.get("RevisionId")
        if revision and revision != self.backend.get_alias(parts[-1], parts[-3]).revision_id:
            raise PreconditionFailedError
        return original(self)

    return update_alias


def _checking_code_s_place(original: Any) -> Any:
    def create_function(self: Any, spec: dict[str, Any]) -> Any:
        _require_near(self, spec["Code"])
        return original(self, spec)

    return create_function


def _trying(original: Any) -> Any:
    """A dry run fetches the code and leaves the function; moto does neither."""

    def update_function_code(self: Any, function_name: str, qualifier: str, body: dict[str, Any]) -> Any:
        _require_near(self, body)
        if body.get("DryRun"):
            tried = copy.deepcopy(self.get_function(function_name, qualifier))
            return tried.update_function_code({key: one for key, one in body.items() if key != "DryRun"})
        return original(self, function_name, qualifier, body)

    return update_function_code


def _require_near(backend: Any, code: dict[str, Any]) -> None:
    """Lambda takes code from buckets of its own AWS region."""
    bucket = s3_backends[backend.account_id]["aws"].buckets.get(code.get("S3Bucket"))
    if bucket and bucket.region_name != backend.region_name:
        raise InvalidParameterValueException(
            "Error occurred while GetObject. S3 Error Code: PermanentRedirect. S3 Error Message: The bucket is in this "
            f"region: {bucket.region_name}. Please use this region to retry the request"
        )
