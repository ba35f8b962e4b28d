"""Where products and ledgers lie: one interface, whatever is behind it."""

from glacierctl.storage.folder import FolderStore
from glacierctl.storage.interface import Store

__all__ = ["FolderStore", "Store"]
