"""What moto lacks: an address from which a function's code can be fetched, as Lambda tells one."""

from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.s3.models import get_canned_acl, s3_backends

_BUCKET = "code-of-functions"


def install(url: str) -> None:
    """Teach moto, which answers at `url`, to hand out code."""
    original = LambdaFunction.get_code

    def get_code(self: Any) -> dict[str, Any]:
        told = original(self)
        if "S3Key" in self.code and getattr(self, "code_bytes", b""):
            key = f"{self.function_name}/{self.code_sha_256.replace('/', '_')}"
            backend = s3_backends[self.account_id]["aws"]
            if _BUCKET not in backend.buckets:
                backend.create_bucket(_BUCKET, self.region)
            # Lambda signs the address; here everybody may read instead.
            backend.put_object(_BUCKET, key, self.code_bytes).set_acl(get_canned_acl("public-read"))
            told["Code"]["Location"] = f"{url}/{_BUCKET}/{key}"
        return told

    LambdaFunction.get_code = get_code
