"""GDAL reaches S3 where boto3 does: the endpoint of a client, in GDAL's words."""

from pathlib import Path

import pytest

from glacierctl.aws.session import s3_client
from glacierctl.storage.gdal import S3Access, s3_access

PROFILES = """
[default]
region = us-west-2
[profile lab]
services = lab
[services lab]
s3 =
  endpoint_url = https://s3.lab.example:9000/gateway
"""


def access(**variables: str) -> S3Access:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return s3_access(s3_client("us-west-2", connect_timeout_s=1, read_timeout_s=1))


def test_aws_itself_needs_no_option() -> None:
    assert access(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b") == S3Access("us-west-2", signed=True, options=())


def test_without_credentials_nothing_is_signed() -> None:
    assert access() == S3Access("us-west-2", signed=False, options=())


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_becomes_host_scheme_and_path_style(variable: str) -> None:
    assert dict(access(**{variable: "http://127.0.0.1:5000"}).options) == {
        "AWS_S3_ENDPOINT": "127.0.0.1:5000",
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }


def test_the_endpoint_of_a_profile_holds(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(PROFILES)
    options = dict(access(AWS_CONFIG_FILE=str(tmp_path / "config"), AWS_PROFILE="lab").options)
    assert options["AWS_S3_ENDPOINT"] == "s3.lab.example:9000/gateway"
    assert options["AWS_HTTPS"] == "YES"


def test_an_endpoint_that_is_to_be_ignored_is_ignored() -> None:
    ignored = access(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true", AWS_ENDPOINT_URL="http://127.0.0.1:5000")
    assert ignored.options == ()
