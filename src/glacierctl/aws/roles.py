"""Who may do what: policy documents, as pure functions of a deployment's names. Nothing here talks to AWS.

Three parties: the worker (the Lambda function itself), the submitter (who starts runs and reads their results) and the
deployer (who runs `glacierctl deploy`). No action is a wildcard.
"""

from collections.abc import Mapping
from typing import Any

from glacierctl.aws.names import Names

Document = dict[str, Any]
"""A policy as IAM takes it: JSON objects, lists and strings."""

WORKER_POLICY = "glacierctl-worker"
"""Name of the worker's policy inside its role."""

LANDSAT_BUCKET = "usgs-landsat"
"""USGS's archive; whoever reads it pays for the requests."""

WITHOUT_RESOURCE: Mapping[str, str] = {
    "ecr:GetAuthorizationToken": "a login is to the account's registry, not to a repository",
    "lambda:CreateEventSourceMapping": "a mapping has no name before it exists; a condition names the function instead",
    "lambda:GetAccountSettings": "the limits are the account's",
    "lambda:ListEventSourceMappings": "lists are of the account, AWS filters them by function only in the answer",
    "servicequotas:ListServiceQuotas": "the quotas are the account's",
}
"""The only actions allowed on Resource "*": AWS knows no resource for them. Each with the reason."""


def trust() -> Document:
    """Let Lambda work as the role, and nobody else."""
    return _document({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})


def repository_policy(names: Names, now: Document | None = None) -> Document:
    """Let Lambda pull the image for this function; whoever else may by the policy `now` still may.

    Several functions can share a repository, and a user's repository can have a policy of its own.
    """
    if now is not None and lets_pull(names, now):
        return now
    return _document(*_statements(now), _pulling(names.function_arn))


def lets_pull(names: Names, policy: Document | None) -> bool:
    """Whether a repository's policy has what lets Lambda pull for this function."""
    return _pulling(names.function_arn) in _statements(policy)


def without_pulling(names: Names, now: Document) -> Document:
    """A repository's policy without what lets Lambda pull for this function."""
    return _document(*(one for one in _statements(now) if one != _pulling(names.function_arn)))


def others_pulling(names: Names, now: Document | None) -> tuple[str, ...]:
    """Other functions that were deployed from the repository with this policy, sorted."""
    sources = [str((one.get("Condition") or {}).get("ArnLike", {}).get("aws:SourceArn")) for one in _statements(now)]
    functions = (
        source.removesuffix("*") for source in sources if _pulling(source.removesuffix("*")) in _statements(now)
    )
    return tuple(sorted(one.rpartition(":")[2] for one in functions if one != names.function_arn))


def worker(names: Names) -> Document:
    """What the function may: write its logs, work below its prefix, read Landsat, report failures."""
    return _document(
        _allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{names.log_group_arn}:*"),
        _allow("WorkBelowThePrefix", ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], _objects(names)),
        _list_below_the_prefix(names),
        _allow("ReadLandsatAndPay", ["s3:GetObject"], f"arn:{names.partition}:s3:::{LANDSAT_BUCKET}/*"),
        _allow("ReportFailures", ["sqs:SendMessage"], names.queue_arn),
    )


def region_of(worker_policy: Document) -> str:
    """The AWS region in which a worker with this policy logs; empty if the policy is none of ours."""
    logs = next((one for one in _statements(worker_policy) if one.get("Sid") == "WriteLogs"), {})
    parts = str(logs.get("Resource", "")).split(":")
    return parts[3] if len(parts) > 3 else ""  # noqa: PLR2004 (an ARN's parts)


def submitter(names: Names) -> Document:
    """What whoever starts runs may: invoke, follow logs and failures, read results, write plans."""
    functions = [names.function_arn, f"{names.function_arn}:*"]
    return _document(
        _allow("Invoke", ["lambda:GetAlias", "lambda:GetFunctionConfiguration", "lambda:InvokeFunction"], functions),
        _allow("WriteRunsReadResults", ["s3:GetObject", "s3:PutObject"], _objects(names)),
        _list_below_the_prefix(names),
        _allow("FollowLogs", ["logs:FilterLogEvents"], [names.log_group_arn, f"{names.log_group_arn}:*"]),
        _allow(
            "LookAtFailures",
            ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
             "sqs:ReceiveMessage"],
            names.queue_arn,
        ),
    )  # fmt: skip


def deployer(names: Names, own_role: str | None = None) -> Document:
    """What whoever runs deploy, doctor, history, rollback and destroy needs.

    With `own_role`, the ARN of a role that the user made, it may make and change none.
    """
    return _document(
        *_image_statements(names),
        *_function_statements(names),
        *_role_statements(names, own_role),
        *_surroundings_statements(names),
    )


def documents(names: Names, own_role: str | None = None) -> dict[str, Document]:
    """All three, by who they are for."""
    return {"deployer": deployer(names, own_role), "submitter": submitter(names), "worker": worker(names)}


def _image_statements(names: Names) -> list[Document]:
    return [
        _allow("LogInToTheRegistry", ["ecr:GetAuthorizationToken"], "*"),
        _allow(
            "ManageTheRepository",
            ["ecr:CreateRepository", "ecr:DeleteRepository", "ecr:DescribeRepositories", "ecr:GetLifecyclePolicy",
             "ecr:GetRepositoryPolicy", "ecr:ListTagsForResource", "ecr:PutImageScanningConfiguration",
             "ecr:PutImageTagMutability", "ecr:PutLifecyclePolicy", "ecr:SetRepositoryPolicy", "ecr:TagResource"],
            names.repository_arn,
        ),
        _allow(
            "PushAndFindImages",
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchDeleteImage", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
             "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage",
             "ecr:UploadLayerPart"],
            names.repository_arn,
        ),
    ]  # fmt: skip


def _function_statements(names: Names) -> list[Document]:
    own_function = {"ArnLike": {"lambda:FunctionArn": [names.function_arn, f"{names.function_arn}:*"]}}
    return [
        _allow(
            "ManageTheFunction",
            ["lambda:AddPermission", "lambda:CreateAlias", "lambda:CreateFunction", "lambda:DeleteFunction",
             "lambda:GetFunction", "lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration",
             "lambda:GetPolicy", "lambda:InvokeFunction", "lambda:ListAliases",
             "lambda:ListFunctionEventInvokeConfigs", "lambda:ListFunctionUrlConfigs",
             "lambda:ListProvisionedConcurrencyConfigs", "lambda:ListTags", "lambda:ListVersionsByFunction",
             "lambda:PublishVersion", "lambda:PutFunctionConcurrency", "lambda:PutFunctionEventInvokeConfig",
             "lambda:TagResource", "lambda:UpdateAlias", "lambda:UpdateFunctionCode",
             "lambda:UpdateFunctionConfiguration"],
            [names.function_arn, f"{names.function_arn}:*"],
        ),
        _allow("ReadAccountLimits", ["lambda:GetAccountSettings", "servicequotas:ListServiceQuotas"], "*"),
        _allow("FindEventSources", ["lambda:ListEventSourceMappings"], "*"),
        {**_allow("CarryOverEventSources", ["lambda:CreateEventSourceMapping"], "*"), "Condition": own_function},
        {
            **_allow("PauseEventSources", ["lambda:UpdateEventSourceMapping"], names.event_sources_arn),
            "Condition": own_function,
        },
    ]  # fmt: skip


def _role_statements(names: Names, own_role: str | None) -> list[Document]:
    manage = _allow(
        "ManageTheWorkersRole",
        ["iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:GetRole",
         "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:PutRolePolicy",
         "iam:TagRole", "iam:UpdateAssumeRolePolicy"],
        names.role_arn,
    )  # fmt: skip
    return [
        _allow("LookAtYourOwnRole", ["iam:GetRole"], own_role) if own_role else manage,
        {
            **_allow("HandTheRoleToLambda", ["iam:PassRole"], own_role or names.role_arn),
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        },
    ]


def _surroundings_statements(names: Names) -> list[Document]:
    return [
        _allow(
            "ManageTheLogGroup",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DeleteLogGroup", "logs:DeleteLogStream",
             "logs:DescribeLogStreams", "logs:ListTagsForResource", "logs:PutRetentionPolicy", "logs:TagResource"],
            [names.log_group_arn, f"{names.log_group_arn}:*"],
        ),
        # A list is asked for by prefix, which for IAM is every log group of the account.
        _allow("FindTheLogGroup", ["logs:DescribeLogGroups"],
               f"arn:{names.partition}:logs:{names.aws_region}:{names.account}:log-group:*"),
        _allow(
            "ManageTheFailureQueue",
            ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags",
             "sqs:SetQueueAttributes", "sqs:TagQueue"],
            names.queue_arn,
        ),
        _allow(
            "CheckTheBucket",
            ["s3:GetBucketPublicAccessBlock", "s3:GetBucketVersioning", "s3:ListBucket"],
            names.bucket_arn,
        ),
    ]  # fmt: skip


def _list_below_the_prefix(names: Names) -> Document:
    return {
        **_allow("ListBelowThePrefix", ["s3:ListBucket"], names.bucket_arn),
        "Condition": {"StringLike": {"s3:prefix": f"{names.prefix}*"}},
    }


def _pulling(function_arn: str) -> Document:
    """Without a name: of two statements that have the same, ECR would refuse the second."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"ArnLike": {"aws:SourceArn": f"{function_arn}*"}},
    }


def _statements(policy: Document | None) -> list[Document]:
    told = (policy or {}).get("Statement", [])
    return told if isinstance(told, list) else [told]


def _objects(names: Names) -> str:
    return f"{names.bucket_arn}/{names.prefix}*"


def _allow(sid: str, actions: list[str], resource: str | list[str]) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
