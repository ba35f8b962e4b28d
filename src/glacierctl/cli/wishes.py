"""What `glacierctl deploy` can be told of a deployment: its flags, and what was typed of them."""

from dataclasses import dataclass
from typing import Annotated

import typer

from glacierctl.choices import Architecture, Stack
from glacierctl.cli.deployment import Deployment

StackOption = Annotated[
    Stack | None,
    typer.Option("--stack", help="What the image holds; full is for steps of your own.  [default: lean]"),
]
ArchitectureOption = Annotated[
    Architecture | None, typer.Option("--arch", help="Processors of the function.  [default: x86_64]")
]
MemoryOption = Annotated[
    int | None,
    typer.Option("--memory", metavar="MB", help="Memory of the function, 128 to 10240.  [default: 2048]"),
]
TimeoutOption = Annotated[
    int | None, typer.Option("--timeout", metavar="S", help="Seconds an invocation may take.  [default: 900]")
]
EphemeralStorageOption = Annotated[
    int | None, typer.Option("--ephemeral-storage", metavar="MB", help="Scratch space.  [default: 512]")
]
RegistryOption = Annotated[
    str | None,
    typer.Option("--registry", metavar="HOST[:PORT]", help="Registry of the image.  [default: the account's own]"),
]
RoleOption = Annotated[
    str | None,
    typer.Option("--role", metavar="ARN", help="A role that the function works as.  [default: one is made]"),
]
SnapstartOption = Annotated[
    bool | None,
    typer.Option(
        "--snapstart", help="Start the function from a snapshot; costs extra, and allows 512 MB of scratch space."
    ),
]
NoBuildOption = Annotated[
    bool, typer.Option("--no-build", help="Build and push nothing: the image is in the registry.")
]
ImageOption = Annotated[
    str | None,
    typer.Option("--image", metavar="REF", help="With --no-build: tag, digest, or host/repository with either."),
]


@dataclass(frozen=True, kw_only=True)
class Wishes(Deployment):
    """What was typed of a deployment; None where a flag was not given."""

    stack: Stack | None = None
    architecture: Architecture | None = None
    memory_mb: int | None = None
    timeout_s: int | None = None
    ephemeral_storage_mb: int | None = None
    registry: str | None = None
    role: str | None = None
    snapstart: bool | None = None
