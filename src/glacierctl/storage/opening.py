"""The one place that tells a folder from an S3 prefix."""

from pathlib import Path
from typing import TYPE_CHECKING

from glacierctl.errors import UsageError
from glacierctl.storage.folder import FolderStore
from glacierctl.storage.interface import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client


def open_store(url: str, s3_client: "Callable[[], S3Client]") -> Store:
    """The store at `url`: an absolute folder, or `s3://bucket/prefix`.

    Args:
        url: where it is.
        s3_client: makes a client that repeats what fails in passing; called for S3 only.

    Raises:
        UsageError: it is neither.
        StoreError: it names no bucket.
    """
    if "://" not in url:
        return FolderStore(Path(url))
    if not url.startswith("s3://"):
        raise UsageError(
            f"results cannot be written to {url}",
            why="it is neither a folder of this machine nor an s3:// address",
            hint="Name a folder, or write s3://bucket/prefix.",
        )
    from glacierctl.storage.s3 import S3Store  # noqa: PLC0415 (botocore is loaded only for S3)

    return S3Store(url, s3_client())
