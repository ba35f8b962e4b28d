"""A function that is a Zip package, on its way to an image: what is carried over, what is lost, where it is kept."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glacierctl.cli import show
from glacierctl.errors import GlacierctlError

if TYPE_CHECKING:
    from glacierctl.aws.apply import Convert, Deployed
    from glacierctl.aws.conversion import Conversion
    from glacierctl.aws.session import Aws
    from glacierctl.aws.wanted import Wanted
    from glacierctl.config import Settings

_SILENCE_S = 60.0
"""How long a download may stall."""


def find_conversion(aws: "Aws", wanted: "Wanted", settings: "Settings") -> "Conversion | None":
    """What a conversion would carry over, or has still to do; None if the function is none to convert."""
    from glacierctl.aws.conversion import find

    return find(aws, wanted, backup_folder(settings))


def backup_folder(settings: "Settings") -> Path:
    """Where functions are kept that were replaced."""
    return settings.data_dir / "replaced-functions"


def converter(aws: "Aws", settings: "Settings") -> "Convert":
    """What `apply` calls to convert a function, or to complete what was begun."""

    def convert(wanted: "Wanted", beat: Callable[[], None]) -> tuple[str, ...]:
        from glacierctl.aws.clock import Clock
        from glacierctl.aws.conversion import convert as carry_out

        folder = backup_folder(settings)
        return carry_out(aws, wanted, folder, beat=beat, download=download, clock=Clock(), say=show.say)

    return convert


def show_conversion(conversion: "Conversion") -> None:
    """Show what becomes of the old function."""
    if conversion.interrupted:
        show.print_line(f"A conversion from a Zip package was interrupted; it is completed from {conversion.folder}.")
    else:
        show.print_line("The function is a Zip package. Lambda cannot turn it into an image, so it is deleted and made")
        show.print_line(f"anew. Before, it is kept with its code in {conversion.folder}")
    for title, lines in (("carried over", conversion.carried), ("lost", conversion.lost)):
        for line in lines:
            show.print_line(f"      {title}: {line}")


def conversion_document(conversion: "Conversion | None", deployed: "Deployed | None") -> dict[str, Any] | None:
    """The same as JSON, and what became of it."""
    if conversion is None:
        return None
    return {
        "carried": list(conversion.carried),
        "lost": list(conversion.lost),
        "not_carried": list(deployed.not_carried) if deployed else [],
        "interrupted": conversion.interrupted,
        "folder": str(conversion.folder),
    }


def download(address: str, to: Path) -> None:
    """Fetch a function's code from the address that Lambda signs for a few minutes.

    Raises:
        GlacierctlError: it does not come whole.
    """
    import urllib3

    timeout = urllib3.Timeout(connect=10, read=_SILENCE_S)
    try:
        with (
            urllib3.PoolManager().request("GET", address, preload_content=False, timeout=timeout) as answer,
            to.open("wb") as file,
        ):
            if answer.status != 200:  # noqa: PLR2004 (HTTP's OK)
                raise _not_fetched(f"AWS answers {answer.status}")
            shutil.copyfileobj(answer, file)
    except urllib3.exceptions.HTTPError as error:
        raise _not_fetched(" ".join(str(error).split())) from error


def _not_fetched(why: str) -> GlacierctlError:
    hint = "Nothing was changed. Check the network, then run `glacierctl deploy` again."
    return GlacierctlError("the old function's code cannot be fetched", why=why, hint=hint)
