"""`glacierctl demo`: the main job on made-up data, and how far it is from the truth."""

import datetime as dt
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glacierctl.choices import Satellite
from glacierctl.cli import selection as select
from glacierctl.cli import show
from glacierctl.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glacierctl.demo.build import DemoData
    from glacierctl.demo.measure import Accuracy
    from glacierctl.model import Request

_FAILED = 1


def demo(
    output: Annotated[
        str, typer.Option("--output", metavar="DIR", help="Where the made-up data and the products go.")
    ] = "./demo-output",
) -> None:
    """Run the whole job on a made-up glacier, without a network.

    Three passes of Sentinel-2 over an analytic glacier, on two tiles in two UTM zones: a clear one, a cloudy one and
    one that sees too little. The products are compared with the truth, which is known exactly. What is there already
    is left alone.

    Examples:
      glacierctl demo
      glacierctl demo --output my-demo
    """
    from glacierctl.cli.local_run import execute, forget_peak_memory
    from glacierctl.cli.run_local import show_run
    from glacierctl.config import current_settings
    from glacierctl.demo.build import build_demo
    from glacierctl.demo.measure import measure_products

    place = Path(output).absolute()
    settings = current_settings({"output": str(place / "results")})
    show.say(f"Drawing three passes over a made-up glacier in {place / 'data'}")
    with _writing(place):
        data = build_demo(place / "data")
    forget_peak_memory()  # that of the drawing is more than the run's
    plan = select.find_plan(demo_request(data), dt.datetime.now(dt.UTC))
    run = execute(plan, select.open_store(settings), settings)
    show_run(plan, run, as_json=False)
    if run.failed:
        raise typer.Exit(_FAILED)
    _show_truth(measure_products(Path(settings.output)))


def demo_request(data: "DemoData") -> "Request":
    """All of the demo, with the options that are the defaults: what a user has set does not count here."""
    from glacierctl.demo.catalogue import COLLECTION
    from glacierctl.model import Request

    return Request(
        satellite=Satellite.SENTINEL2,
        regions=(data.region,),
        start=data.start,
        end=data.end,
        catalog=str(data.catalog),
        collection=COLLECTION,
    )


@contextmanager
def _writing(place: Path) -> "Iterator[None]":
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the made-up data cannot be written to {place}",
            why=error.strerror or str(error),
            hint="Check that the folder is yours to write to and has room, or name another with --output.",
        ) from error


def _show_truth(measured: "tuple[tuple[Path, Accuracy], ...]") -> None:
    show.print_line("\nThe glacier is made up, so what every pixel should be is known:")
    for product, accuracy in measured:
        show.print_line(f"  {product.stem}: {accuracy.in_words()}")
    show.print_line("")
    for product, _ in measured:
        show.print_facts([("GeoTIFF", str(product)), ("picture", str(product.with_suffix(".png")))])
