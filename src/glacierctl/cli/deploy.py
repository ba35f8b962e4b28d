"""`glacierctl deploy`: image, registry and function, from whatever is there to what the settings say."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glacierctl.cli import deployment as dep
from glacierctl.cli import show
from glacierctl.cli import wishes as wish
from glacierctl.cli.deploy_conversion import conversion_document, converter, find_conversion, show_conversion
from glacierctl.cli.deploy_history import history, rollback
from glacierctl.cli.deploy_plan import confirm, plan_document, show_plan
from glacierctl.cli.help import add_command, help_text, new_app
from glacierctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glacierctl.aws.apply import Deployed
    from glacierctl.aws.changes import Plan
    from glacierctl.aws.conversion import Conversion
    from glacierctl.config import Settings

_FAILED = 1
_SNAPSHOT_SCRATCH_MB = 512
"""https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html, "Supported features and limitations"."""


def deploy(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before a function that is a Zip package is replaced.")
    ] = False,
    stack: wish.StackOption = None,
    architecture: wish.ArchitectureOption = None,
    memory_mb: wish.MemoryOption = None,
    timeout_s: wish.TimeoutOption = None,
    ephemeral_storage_mb: wish.EphemeralStorageOption = None,
    function_name: dep.FunctionOption = None,
    repository: dep.RepositoryOption = None,
    registry: wish.RegistryOption = None,
    role: wish.RoleOption = None,
    snapstart: wish.SnapstartOption = None,
    no_build: wish.NoBuildOption = False,
    image: wish.ImageOption = None,
    alias: dep.AliasOption = None,
    bucket: dep.BucketOption = None,
    prefix: dep.PrefixOption = None,
    aws_region: dep.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Make or update the Lambda function and all it needs.

    Builds and pushes the image, too. Shows first what would change. What is as it shall be is left alone, so the same
    command again does nothing, and one that was interrupted goes on where it stopped. The alias that runs use moves
    only when the new version has answered; until then, and if it does not, runs keep the version they have.

    Examples:
      glacierctl deploy --dry-run
      glacierctl deploy
      glacierctl deploy --memory 3008 --stack full
      glacierctl deploy history
      glacierctl deploy rollback
    """
    if context.invoked_subcommand is not None:
        _refuse_flags_before(context.invoked_subcommand, context.params)
        return
    from glacierctl.config import current_settings

    wishes = wish.Wishes(
        function_name=function_name, repository=repository, alias=alias, bucket=bucket, prefix=prefix,
        aws_region=aws_region, stack=stack, architecture=architecture, memory_mb=memory_mb, timeout_s=timeout_s,
        ephemeral_storage_mb=ephemeral_storage_mb, registry=registry, role=role, snapstart=snapstart,
    )  # fmt: skip
    settings = current_settings(wishes.flags())
    _refuse_large_snapshot(settings)
    _deploy(settings, build=not no_build, reference=image, dry_run=dry_run, yes=yes, as_json=as_json)


def _deploy(
    settings: "Settings", *, build: bool, reference: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Show what is other than the settings say, and make it so unless it is a dry run."""
    from glacierctl.aws.apply import apply
    from glacierctl.aws.changes import differences
    from glacierctl.aws.clock import Clock
    from glacierctl.aws.current import read_current
    from glacierctl.cli.deploy_image import choose_image

    aws, names = dep.reach(settings)
    chosen = choose_image(aws, names, settings, build=build, reference=reference)
    wanted = dep.wanted_of(settings, names, chosen.wanted)
    plan = differences(read_current(aws, wanted), wanted)
    conversion = find_conversion(aws, wanted, settings)
    interrupted = conversion is not None and conversion.interrupted
    if not as_json:
        show_plan(plan, unfinished=interrupted)
        if conversion:
            show_conversion(conversion)
    deployed = None
    if not dry_run and (interrupted or not plan.is_empty):
        if conversion and not interrupted:
            confirm(f"Replace the Zip function {names.function}?", yes=yes)
        deployed = apply(
            aws,
            plan,
            deliver=chosen.deliver,
            on_step=show.say,
            clock=Clock(),
            convert=converter(aws, settings),
            resume=interrupted,
        )
    if as_json:
        converted = {"conversion": conversion_document(conversion, deployed)}
        show.print_json({**plan_document(plan), **converted, **_deployed_document(deployed)})
    elif deployed:
        _show_deployed(plan, deployed, conversion)
    if deployed and deployed.not_carried:
        raise typer.Exit(_FAILED)


def _refuse_large_snapshot(settings: "Settings") -> None:
    """Lambda would, but only when the image is built and pushed."""
    if settings.snapstart and settings.ephemeral_storage_mb > _SNAPSHOT_SCRATCH_MB:
        raise UsageError(
            "a function that starts from a snapshot cannot have as much scratch space",
            why=f"{settings.ephemeral_storage_mb} MB are asked for, and Lambda allows {_SNAPSHOT_SCRATCH_MB} with it",
            hint=f"Leave out --snapstart, or say --ephemeral-storage {_SNAPSHOT_SCRATCH_MB}.",
        )


def _refuse_flags_before(command: str, flags: "Mapping[str, object]") -> None:
    """A --dry-run in the wrong place must not be taken for none."""
    given = [name for name, value in flags.items() if value not in (None, False)]
    if given:
        raise UsageError(
            f"flags stand before {command}",
            why=f"they are of `glacierctl deploy`, and `glacierctl deploy {command}` would not see them",
            hint=f"Put them behind it; see `glacierctl deploy {command} --help`.",
        )


def _deployed_document(deployed: "Deployed | None") -> dict[str, Any]:
    return {
        "applied": deployed is not None,
        "version": deployed and deployed.version,
        "deployed_image": deployed and deployed.image,
        "worker_version": deployed and deployed.worker_version,
    }


def _show_deployed(plan: "Plan", deployed: "Deployed", conversion: "Conversion | None") -> None:
    names = plan.wanted.names
    show.print_line(f"Deployed: {names.alias} is version {deployed.version} of {names.function}, and it answers.")
    show.print_line("See all versions with `glacierctl deploy history`; go back with `glacierctl deploy rollback`.")
    for one in deployed.not_carried:
        show.print_line(f"Not carried over: {one}")
    if deployed.not_carried and conversion:
        show.print_line(f"Mend what AWS says and set it up by hand: how it was is written in {conversion.folder}.")


app = new_app(name="deploy", help=help_text(deploy), invoke_without_command=True)
app.callback()(deploy)
add_command(app, "history", history)
add_command(app, "rollback", rollback)
