"""`glacierctl iam`: who needs which permissions, and whether they have them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glacierctl.cli import deployment, show
from glacierctl.cli.help import add_command, new_app
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from glacierctl.aws.names import Names
    from glacierctl.aws.permissions import RoleDifference
    from glacierctl.aws.roles import Document
    from glacierctl.aws.simulation import Simulation
    from glacierctl.config import Settings

app = new_app(name="iam", help="Permissions on AWS: who needs which, and who has them.")

_DIFFERS = 1


class Party(StrEnum):
    """Who needs permissions; as `permissions.PARTIES` has them."""

    DEPLOYER = "deployer"
    SUBMITTER = "submitter"
    WORKER = "worker"


def show_permissions(
    party: Annotated[Party | None, typer.Argument(metavar="PARTY", help="deployer, submitter or worker.")] = None,
    *,
    account: Annotated[
        str | None,
        typer.Option(metavar="DIGITS", help="Number of the account. Without it, the credentials are asked."),
    ] = None,
    document: Annotated[
        bool, typer.Option("--document", help="Print the one policy as IAM takes it, and nothing else.")
    ] = False,
    function: deployment.FunctionOption = None,
    repository: deployment.RepositoryOption = None,
    alias: deployment.AliasOption = None,
    bucket: deployment.BucketOption = None,
    prefix: deployment.PrefixOption = None,
    aws_region: deployment.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Show the policies of deployer, submitter and worker, with reasons.

    Each allows what its party needs and nothing else. With --account, nothing is asked of AWS, and no credentials
    are needed.

    Examples:
      glacierctl iam show
      glacierctl iam show worker --account 123456789012
      glacierctl iam show deployer --account 123456789012 --document > deployer.json
    """
    from glacierctl.aws import roles
    from glacierctl.config import current_settings

    if document and (party is None or as_json):
        raise UsageError(
            "--document prints one policy",
            why="it was asked for together with --json" if as_json else "no party was named",
            hint="Say `glacierctl iam show deployer --document`, or submitter, or worker.",
        )
    settings = current_settings(
        deployment.Deployment(
            function_name=function,
            repository=repository,
            alias=alias,
            bucket=bucket,
            prefix=prefix,
            aws_region=aws_region,
        ).flags()
    )
    names = _names(settings, account)
    everybody = roles.documents(names, settings.role)
    documents = {one: everybody[one] for one in ([party] if party else Party)}
    if document:
        show.print_line(json.dumps(documents[party or Party.DEPLOYER], indent=2))
    elif as_json:
        policies = [_policy_document(*item) for item in documents.items()]
        show.print_json({"account": names.account, "aws_region": names.aws_region, "policies": policies})
    else:
        for line in _policy_lines(documents):
            show.print_line(line)


def diff_permissions(
    *,
    function: deployment.FunctionOption = None,
    repository: deployment.RepositoryOption = None,
    alias: deployment.AliasOption = None,
    bucket: deployment.BucketOption = None,
    prefix: deployment.PrefixOption = None,
    aws_region: deployment.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Compare role and credentials with what is needed.

    The worker's role with what it should be, and the present credentials with what a deployer needs. Nothing is
    changed; `glacierctl deploy` mends the role. Exits 1 if anything differs or is denied.

    Examples:
      glacierctl iam diff
      glacierctl iam diff --function glaciers-test --json
    """
    from glacierctl.aws import roles
    from glacierctl.aws.identity import who_am_i
    from glacierctl.aws.permissions import compare_role, judge_own_role
    from glacierctl.aws.simulation import simulate
    from glacierctl.config import current_settings

    settings = current_settings(
        deployment.Deployment(
            function_name=function,
            repository=repository,
            alias=alias,
            bucket=bucket,
            prefix=prefix,
            aws_region=aws_region,
        ).flags()
    )
    aws, names = deployment.reach(settings)
    role = judge_own_role(aws, names, settings.role) if settings.role else compare_role(aws, names)
    identity = who_am_i(aws)
    simulation = simulate(aws, identity, roles.deployer(names, settings.role))
    agrees = role.agrees and not simulation.denied
    if as_json:
        show.print_json(
            {
                "agrees": agrees,
                "role": _role_document(role, own=bool(settings.role)),
                "credentials": _credentials_document(identity.arn, simulation),
            }
        )
    else:
        for line in (*_role_lines(role), *_credentials_lines(identity.arn, simulation)):
            show.print_line(line)
    if not agrees:
        raise typer.Exit(_DIFFERS)


add_command(app, "show", show_permissions)
add_command(app, "diff", diff_permissions)


def _names(settings: "Settings", account: str | None) -> "Names":
    if account is None:
        return deployment.reach(settings)[1]
    if not (account.isascii() and account.isdigit() and len(account) == 12):  # noqa: PLR2004 (AWS's own number)
        raise UsageError(
            f"{account!r} is not the number of an AWS account",
            why="it has twelve digits, without dashes",
            hint="See it in the AWS console at the top right, or with `aws sts get-caller-identity`.",
        )
    from glacierctl.aws.identity import partition_of

    return deployment.names_in(settings, account, partition_of(settings.aws_region))


def _policy_document(party: str, document: "Document") -> dict[str, Any]:
    from glacierctl.aws.permissions import PARTIES, REASONS, size

    statements = [
        {
            "sid": one["Sid"],
            "reason": REASONS[one["Sid"]],
            "actions": one["Action"],
            "resources": _listed(one["Resource"]),
            "condition": one.get("Condition"),
        }
        for one in document["Statement"]
    ]
    return {
        "party": str(party),
        "who": PARTIES[party],
        "statements": statements,
        "characters": size(document),
        "document": json.dumps(document),
    }


def _policy_lines(documents: "dict[Party, Document]") -> Iterator[str]:
    for number, (party, document) in enumerate(documents.items()):
        policy = _policy_document(party, document)
        yield f"{'' if number == 0 else chr(10)}{party}: {policy['who']}"
        for statement in policy["statements"]:
            yield f"  {statement['sid']}: {statement['reason']}"
            yield f"    {' '.join(statement['actions'])}"
            for resource in statement["resources"]:
                yield f"    on {resource}"
            if statement["condition"]:
                yield f"    if {json.dumps(statement['condition'])}"


def _listed(told: str | list[str]) -> list[str]:
    return told if isinstance(told, list) else [told]


def _role_document(role: "RoleDifference", *, own: bool) -> dict[str, Any]:
    fields = asdict(role)
    return {
        "arn": fields.pop("role_arn"),
        "own": own,
        "agrees": role.agrees,
        "not_judged_because": fields.pop("not_judged") or None,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()},
    }


def _credentials_document(arn: str, simulation: "Simulation") -> dict[str, Any]:
    return {
        "arn": arn,
        "not_asked_because": simulation.not_asked or None,
        "allowed": len(simulation.verdicts) - len(simulation.denied),
        "denied": [asdict(one) for one in simulation.denied],
    }


def _role_lines(role: "RoleDifference") -> Iterator[str]:
    if not role.exists:
        yield f"There is no role {role.role_arn}. `glacierctl deploy` makes it."
        return
    unsure = f" as far as is known: AWS was not asked what it may, for {role.not_judged}" if role.not_judged else ""
    yield f"The worker's role {role.role_arn} {'is as it should be' if role.agrees else 'differs'}{unsure}."
    yield from _indented("lacks", (one.words for one in role.lacks))
    yield from _indented("may besides", (one.words for one in role.has_besides))
    yield from _indented("is not trusted to", (one.words for one in role.trust_lacks))
    yield from _indented("is trusted besides to", (one.words for one in role.trust_has_besides))
    yield from _indented("has attached", role.attached)


def _credentials_lines(arn: str, simulation: "Simulation") -> Iterator[str]:
    if simulation.not_asked:
        yield f"AWS was not asked what these credentials ({arn}) may do: {simulation.not_asked}."
        return
    if not simulation.denied:
        yield f"These credentials ({arn}) may do all that a deployer needs."
        return
    yield f"These credentials ({arn}) may not do all that a deployer needs."
    for one in simulation.denied:
        forbidden = ", which something forbids" if one.decision == "explicitDeny" else ""
        yield f"  may not {one.action} on {one.resource}{forbidden}"


def _indented(words: str, things: Iterable[str]) -> Iterator[str]:
    return (f"  {words} {thing}" for thing in things)
