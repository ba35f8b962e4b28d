"""`glacierctl destroy`: all that deploy made in the account, never the data."""

from typing import TYPE_CHECKING, Annotated

import typer

from glacierctl.cli import deployment as dep
from glacierctl.cli import show
from glacierctl.cli.deploy_plan import confirm

if TYPE_CHECKING:
    from glacierctl.aws.destroy import Destruction


def destroy(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go and what stays.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    function_name: dep.FunctionOption = None,
    repository: dep.RepositoryOption = None,
    alias: dep.AliasOption = None,
    bucket: dep.BucketOption = None,
    aws_region: dep.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Remove what deploy made in the account.

    That is function, images with their repository, role, logs and failure queue. What was there before the first
    deploy stays, and so does the bucket with the results. The same command again goes on where it stopped.

    Examples:
      glacierctl destroy --dry-run
      glacierctl destroy
    """
    from glacierctl.aws.destroy import destroy as carry_out
    from glacierctl.aws.destroy import plan_destruction
    from glacierctl.config import current_settings

    named = dep.Deployment(
        function_name=function_name, repository=repository, alias=alias, bucket=bucket, aws_region=aws_region
    )
    settings = current_settings(named.flags())
    aws, names = dep.reach(settings)
    plan = plan_destruction(aws, names, settings.role)
    if not as_json:
        _show(plan)
    removes = not plan.is_empty and not dry_run
    if removes:
        confirm(f"Remove {len(plan.goes)} parts of {names.function} from account {names.account}?", yes=yes)
        carry_out(aws, plan, on_step=show.say)
    if as_json:
        show.print_json({**plan.as_json(), "removed": removes})
    elif removes:
        show.print_line(f"Removed. The results in the bucket {names.bucket} are still there.")


def _show(plan: "Destruction") -> None:
    if plan.is_empty:
        show.print_line(f"There is nothing to remove of {plan.names.function} in account {plan.names.account}.")
    for sign, pieces in (("-", plan.goes), ("=", plan.stays)):
        for piece in pieces:
            show.print_line(
                f"  {sign} {'remove' if sign == '-' else 'keep'} {piece.resource} {piece.name}: {piece.why}"
            )
