"""`glacierctl iam` on an account of moto's: what is printed, and what the account says to it."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from tests.support import command
from tests.support.moto_server import ACCOUNT, AWS_REGION, Moto
from tests.support.schemas import check_document

from glacierctl.aws import roles, worker_role
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws, Patience
from glacierctl.aws.wanted import RoleSettings
from glacierctl.cli import main

Run = Callable[..., command.Ran]
NAMES = Names(ACCOUNT, AWS_REGION, "glacier-sentinel2-processor", "glacier-sentinel2-processor", "live",
              "greenland-glacier-data", "results/")  # fmt: skip
ROLE = f"arn:aws:iam::{ACCOUNT}:role/glacier-sentinel2-processor-worker"
WANTED = RoleSettings(roles.trust(), {roles.WORKER_POLICY: roles.worker(NAMES)}, (), managed=True)
MANAGED_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@pytest.fixture
def glacierctl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program in this process, which is quicker: each call as if it were the first."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> command.Ran:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            code = main(arguments)
        return command.Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def aws(moto: Moto) -> Aws:
    del moto
    return Aws(AWS_REGION, Patience(0, 3), get_session())


def user(name: str, *documents: dict[str, Any]) -> dict[str, str]:
    """A user who has these policies: what makes a program one's own."""
    iam = boto3.client("iam")
    iam.create_user(UserName=name)
    for number, document in enumerate(documents):
        iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def allow(*actions: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def diff(glacierctl: Run, *flags: str, code: int, env: dict[str, str] | None = None) -> dict[str, Any]:
    ran = glacierctl("iam", "diff", "--json", *flags, env=env)
    assert ran.code == code, ran.stdout + ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


@pytest.mark.parametrize("party", ["deployer", "submitter", "worker"])
@pytest.mark.usefixtures("moto")
def test_the_policy_is_printed_as_iam_takes_it(party: str, glacierctl: Run) -> None:
    ran = glacierctl("iam", "show", party, "--document")
    document = json.loads(ran.stdout)
    assert document == roles.documents(NAMES)[party]
    boto3.client("iam").create_policy(PolicyName=party, PolicyDocument=ran.stdout)


def test_with_the_account_s_number_no_credentials_are_needed(glacierctl: Run) -> None:
    ran = glacierctl(
        "iam", "show", "worker", "--account", "210987654321", "--function", "f", "--bucket", "b-1", "--prefix", "p/",
        "--aws-region", "us-gov-west-1",
    )  # fmt: skip
    assert ran.code == 0, ran.stderr
    assert "    on arn:aws-us-gov:s3:::b-1/p/*\n" in ran.stdout
    assert "arn:aws-us-gov:logs:us-gov-west-1:210987654321:log-group:/aws/lambda/f:*" in ran.stdout
    assert "  WriteLogs: the function's own log" in ran.stdout


def test_without_it_they_are(glacierctl: Run) -> None:
    ran = glacierctl("iam", "show")
    assert ran.code == 1
    assert "there are no AWS credentials" in ran.stderr


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (("--account", "1234"), "'1234' is not the number of an AWS account"),
        (("--document",), "--document prints one policy"),
        (("worker", "--document", "--json"), "--document prints one policy"),
        (("nobody",), "nobody"),
        (("--account", "123456789012", "--aws-region", "xx-nowhere-1"), "xx-nowhere-1"),
    ],
)
def test_wrong_words_are_refused(flags: tuple[str, ...], what: str, glacierctl: Run) -> None:
    ran = glacierctl("iam", "show", *flags)
    assert ran.code in {1, 2}
    assert what in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_role_as_deploy_makes_it_agrees(aws: Aws, glacierctl: Run) -> None:
    worker_role.create(aws, NAMES, WANTED)
    me = user("deployer", roles.deployer(NAMES))
    document = diff(glacierctl, code=0, env=me)
    assert document["agrees"]
    assert document["role"]["arn"] == ROLE
    assert document["credentials"]["not_asked_because"] is None
    assert document["credentials"]["denied"] == []
    each = sum(len(one["Action"]) * len(_list(one["Resource"])) for one in roles.deployer(NAMES)["Statement"])
    assert document["credentials"]["allowed"] == each


def test_a_role_says_what_it_lacks_and_what_it_has_besides(aws: Aws, glacierctl: Run) -> None:
    worker_role.create(aws, NAMES, WANTED)
    spoiled = roles.worker(NAMES)
    spoiled["Statement"][1]["Action"].remove("s3:PutObject")
    spoiled["Statement"].append({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    iam = boto3.client("iam")
    iam.put_role_policy(RoleName=NAMES.role, PolicyName=roles.WORKER_POLICY, PolicyDocument=json.dumps(spoiled))
    iam.attach_role_policy(RoleName=NAMES.role, PolicyArn=MANAGED_POLICY)
    trust = {**roles.trust()}
    trust["Statement"] = [{**trust["Statement"][0], "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}]
    iam.update_assume_role_policy(RoleName=NAMES.role, PolicyDocument=json.dumps(trust))

    role = diff(glacierctl, code=1)["role"]
    assert [(one["action"], one["resource"]) for one in role["lacks"]] == [
        ("s3:PutObject", "arn:aws:s3:::greenland-glacier-data/results/*")
    ]
    assert [(one["action"], one["resource"]) for one in role["has_besides"]] == [("s3:*", "*")]
    assert role["attached"] == [MANAGED_POLICY]
    assert "lambda.amazonaws.com" in role["trust_lacks"][0]["principal"]
    assert ":root" in role["trust_has_besides"][0]["principal"]

    said = glacierctl("iam", "diff").stdout
    assert "  lacks s3:PutObject on arn:aws:s3:::greenland-glacier-data/results/*\n" in said
    assert "  may besides s3:* on *\n" in said


def test_the_same_written_otherwise_is_no_difference(aws: Aws, glacierctl: Run) -> None:
    worker_role.create(aws, NAMES, WANTED)
    split = [
        {**one, "Sid": f"{one['Sid']}{number}", "Action": action, "Resource": [one["Resource"]]}
        for one in reversed(roles.worker(NAMES)["Statement"])
        for number, action in enumerate(reversed(one["Action"]))
    ]
    boto3.client("iam").put_role_policy(
        RoleName=NAMES.role,
        PolicyName=roles.WORKER_POLICY,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": split}),
    )
    assert diff(glacierctl, code=0, env=user("deployer", roles.deployer(NAMES)))["role"]["agrees"]


@pytest.mark.usefixtures("moto")
def test_a_role_that_is_not_there_lacks_everything(glacierctl: Run) -> None:
    role = diff(glacierctl, code=1)["role"]
    assert not role["exists"]
    assert len(role["lacks"]) == sum(len(one["Action"]) for one in roles.worker(NAMES)["Statement"])
    assert f"There is no role {ROLE}. `glacierctl deploy` makes it." in glacierctl("iam", "diff").stdout


def test_credentials_that_may_too_little_are_told_what(aws: Aws, glacierctl: Run) -> None:
    worker_role.create(aws, NAMES, WANTED)
    less = roles.deployer(NAMES)
    less["Statement"] = [one for one in less["Statement"] if one["Sid"] != "HandTheRoleToLambda"]
    never = {"Effect": "Deny", "Action": "lambda:DeleteFunction", "Resource": "*"}
    me = user("poor", less, {"Version": "2012-10-17", "Statement": [never]})
    document = diff(glacierctl, code=1, env=me)
    assert document["role"]["agrees"]
    function = f"arn:aws:lambda:{AWS_REGION}:{ACCOUNT}:function:glacier-sentinel2-processor"
    assert {(one["action"], one["resource"], one["decision"]) for one in document["credentials"]["denied"]} == {
        ("iam:PassRole", ROLE, "implicitDeny"),
        ("lambda:DeleteFunction", function, "explicitDeny"),
        ("lambda:DeleteFunction", f"{function}:*", "explicitDeny"),
    }
    assert "may not lambda:DeleteFunction" in glacierctl("iam", "diff", env=me).stdout


def test_it_is_said_when_aws_may_not_be_asked_what_credentials_may(aws: Aws, glacierctl: Run, moto: Moto) -> None:
    worker_role.create(aws, NAMES, WANTED)
    me = user(
        "blind", allow("iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies")
    )
    with moto.enforcing():
        document = diff(glacierctl, code=0, env=me)
        said = glacierctl("iam", "diff", env=me).stdout
    assert document["credentials"]["not_asked_because"] == "they do not allow iam:SimulatePrincipalPolicy"
    assert document["credentials"]["denied"] == []
    assert "AWS was not asked what these credentials" in said


def test_it_is_an_error_when_the_role_may_not_be_looked_at(glacierctl: Run, moto: Moto) -> None:
    me = user("nobody")
    with moto.enforcing():
        ran = glacierctl("iam", "diff", env=me)
    assert ran.code == 1
    assert "error: these credentials do not allow iam:GetRole" in ran.stderr


def test_a_session_of_a_role_is_asked_about_as_the_role(aws: Aws, glacierctl: Run) -> None:
    worker_role.create(aws, NAMES, WANTED)
    iam = boto3.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    arn = iam.create_role(RoleName="admins", Path="/staff/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="admins", PolicyName="p", PolicyDocument=json.dumps(roles.deployer(NAMES)))
    session = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    me = {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }
    credentials = diff(glacierctl, code=0, env=me)["credentials"]
    assert credentials["arn"].endswith(":assumed-role/admins/me")
    assert credentials["not_asked_because"] is None


@pytest.mark.parametrize("enough", [True, False])
@pytest.mark.usefixtures("moto")
def test_a_role_of_one_s_own_is_judged_by_what_it_may(enough: bool, glacierctl: Run) -> None:
    iam = boto3.client("iam")
    arn = iam.create_role(RoleName="mine", AssumeRolePolicyDocument=json.dumps(roles.trust()))["Role"]["Arn"]
    wide = allow("s3:*", "logs:*", "sqs:*") if enough else allow("s3:*", "logs:*")
    iam.put_role_policy(RoleName="mine", PolicyName="p", PolicyDocument=json.dumps(wide))
    me = user("deployer", roles.deployer(NAMES, arn)) | {"GLACIERCTL_ROLE": arn}
    found = diff(glacierctl, code=0 if enough else 1, env=me)
    assert found["role"]["own"]
    assert [one["action"] for one in found["role"]["lacks"]] == ([] if enough else ["sqs:SendMessage"])
    assert found["credentials"]["denied"] == []


def test_with_a_role_of_one_s_own_no_power_over_roles_is_asked_for(glacierctl: Run, moto: Moto) -> None:
    del moto
    arn = f"arn:aws:iam::{ACCOUNT}:role/mine"
    ran = glacierctl("iam", "show", "deployer", "--document", env={"GLACIERCTL_ROLE": arn})
    assert json.loads(ran.stdout) == roles.deployer(NAMES, arn)
    assert "PutRolePolicy" not in ran.stdout
    assert ROLE not in ran.stdout


def test_s3_lets_the_worker_write_below_its_prefix_only(moto: Moto) -> None:
    own = boto3.client("s3")
    for bucket in (NAMES.bucket, roles.LANDSAT_BUCKET):
        own.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
    own.put_object(Bucket=roles.LANDSAT_BUCKET, Key="x_B8.TIF", Body=b"ice")
    key = user("worker", roles.worker(NAMES))
    worker = boto3.client(
        "s3", aws_access_key_id=key["AWS_ACCESS_KEY_ID"], aws_secret_access_key=key["AWS_SECRET_ACCESS_KEY"]
    )
    with moto.enforcing():
        worker.put_object(Bucket=NAMES.bucket, Key="results/a.tif", Body=b"x")
        landsat = worker.get_object(Bucket=roles.LANDSAT_BUCKET, Key="x_B8.TIF", RequestPayer="requester")
        assert landsat["Body"].read() == b"ice"
        for bucket, name in (
            (NAMES.bucket, "a.tif"),
            (NAMES.bucket, "other/results/a.tif"),
            (roles.LANDSAT_BUCKET, "x_B8.TIF"),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                worker.put_object(Bucket=bucket, Key=name, Body=b"x")


@pytest.mark.parametrize("party", [(), ("submitter",)])
def test_the_schema_describes_policies(party: tuple[str, ...], glacierctl: Run) -> None:
    ran = glacierctl("iam", "show", *party, "--account", ACCOUNT, "--json")
    document = json.loads(ran.stdout)
    check_document("iam-show", document)
    for policy in document["policies"]:
        assert json.loads(policy["document"]) == roles.documents(NAMES)[policy["party"]]


def test_the_schema_describes_differences(aws: Aws, glacierctl: Run) -> None:
    check_document("iam-diff", diff(glacierctl, code=1, env=user("poor")))
    worker_role.create(aws, NAMES, WANTED)
    check_document("iam-diff", diff(glacierctl, code=0, env=user("deployer", roles.deployer(NAMES))))


def _list(told: str | list[str]) -> list[str]:
    return told if isinstance(told, list) else [told]
