"""What a user can mend, each with a hint.

GlacierctlError
├── UsageError      wrong words on the command line or in the configuration (exit code 2)
│   ├── RegionError     an unknown, malformed or empty region, or a file of them
│   └── ConfigError     a setting that cannot be used
├── CatalogError    the STAC catalogue does not answer, or answers nonsense
├── ReadError       a scene's file cannot be read
├── StoreError      a result cannot be written or read back
│   └── StoreLoginError   nor will it be, until somebody logs in
└── ImageError      the container image cannot be built, pushed or run
"""


class GlacierctlError(Exception):
    """What happened, why, and what to do about it: one line each."""

    exit_code = 1

    def __init__(self, what: str, *, why: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


class UsageError(GlacierctlError):
    """The command line or the configuration asks for something that cannot be."""

    exit_code = 2


class RegionError(UsageError):
    """A region, or a file of regions, that cannot be used."""


class ConfigError(UsageError):
    """A setting that cannot be used; `why` says where it came from."""


class CatalogError(GlacierctlError):
    """The STAC catalogue cannot be reached, refuses, or contradicts itself."""


class ReadError(GlacierctlError):
    """A scene's file cannot be read; `href` is where it lies, `transient` whether asking again can help."""

    def __init__(self, what: str, *, why: str, hint: str, href: str, transient: bool = False) -> None:
        super().__init__(what, why=why, hint=hint)
        self.href = href
        self.transient = transient


class StoreError(GlacierctlError):
    """The store refuses a write or does not hold what it should."""


class StoreLoginError(StoreError):
    """There are no valid credentials for the store: to ask it again does not help."""


class ImageError(GlacierctlError):
    """The container image cannot be built, pushed or run."""
