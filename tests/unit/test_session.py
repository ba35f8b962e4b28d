"""What a process elsewhere is given so that AWS takes it for this one."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from glacierctl.aws.errors import NoCredentials, refusal
from glacierctl.aws.session import credentials_environment, s3_client


def test_without_credentials_it_is_told_the_aws_region_and_looks_for_none() -> None:
    assert credentials_environment("us-west-2") == {
        "AWS_REGION": "us-west-2",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_credentials_of_the_environment_are_passed_on_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "token"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert credentials_environment("us-west-2").items() >= given.items()
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert "AWS_SESSION_TOKEN" not in credentials_environment("us-west-2")


def test_a_profile_becomes_its_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The container has no profiles."""
    (tmp_path / "credentials").write_text("[glaciers]\naws_access_key_id = AKIA2\naws_secret_access_key = other\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "glaciers")
    found = credentials_environment("us-west-2")
    assert (found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]) == ("AKIA2", "other")
    assert "AWS_PROFILE" not in found
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(NoCredentials):
        credentials_environment("us-west-2")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidSignatureException", "Signature expired: 20240704T000000Z is now earlier than 20240704T000500Z"),
        ("SignatureDoesNotMatch", "Signature not yet current: 20240704T001000Z is still later than 20240704T000500Z"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ],
)
def test_a_wrong_clock_is_not_taken_for_wrong_credentials(code: str, message: str) -> None:
    told = refusal(ClientError({"Error": {"Code": code, "Message": message}}, "GetFunction"), "the function")
    assert told.what == "this machine's clock is wrong"
    assert "Set the clock" in told.hint
    other = refusal(ClientError({"Error": {"Code": code, "Message": "no such key"}}, "GetFunction"), "the function")
    assert (other.what == told.what) is (code == "RequestTimeTooSkewed")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_address_of_ones_own_for_s3_is_passed_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:5001")
    assert credentials_environment("us-west-2")["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:5001"


def test_a_profile_that_does_not_exist_is_said_in_words_by_stores_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(NoCredentials):
        s3_client("us-west-2", connect_timeout_s=1, read_timeout_s=1)
