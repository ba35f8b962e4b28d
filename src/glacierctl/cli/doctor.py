"""`glacierctl doctor`: whether everything is there that runs and deployments need."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from glacierctl.cli import deployment, show

if TYPE_CHECKING:
    from glacierctl.aws.finding import Finding, Verdict

_BROKEN = 1
_TIMEOUT_S = 20.0
"""Asking AWS for everything takes two or three seconds; a connection that is not refused but lost takes ten."""


def doctor(
    *,
    function: deployment.FunctionOption = None,
    repository: deployment.RepositoryOption = None,
    alias: deployment.AliasOption = None,
    bucket: deployment.BucketOption = None,
    prefix: deployment.PrefixOption = None,
    aws_region: deployment.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Look at everything that runs and deployments need.

    Each thing is ok, worth a look, or broken, with what to do next. Nothing is changed. Exits 1 if anything is broken.

    Examples:
      glacierctl doctor
      glacierctl doctor --function glaciers-test --json
    """
    from glacierctl.cli.findings import all_checks, judge
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
    findings = judge(all_checks(settings, _TIMEOUT_S / 2), _TIMEOUT_S)
    worst = _worst(findings)
    if as_json:
        show.print_json({"verdict": worst, "checks": [asdict(one) for one in findings]})
    else:
        for line in _lines(findings):
            show.print_line(line)
    if worst == "broken":
        raise typer.Exit(_BROKEN)


def _worst(findings: "Sequence[Finding]") -> "Verdict":
    from glacierctl.aws.finding import Verdict

    order = list(Verdict)
    return max((one.verdict for one in findings), key=order.index)


def _lines(findings: "Sequence[Finding]") -> Iterator[str]:
    width = max(len(one.name) for one in findings)
    for one in findings:
        yield f"{one.verdict:<6}  {one.name:<{width}}  {one.words}"
        if one.next:
            yield f"{'':<6}  {'':<{width}}  next: {one.next}"
