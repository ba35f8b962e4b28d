"""Where products and ledgers lie: one interface, whatever is behind it."""

from glacierctl.storage.folder import FolderStore
from glacierctl.storage.interface import Entry, Store
from glacierctl.storage.opening import open_store

__all__ = ["Entry", "FolderStore", "Store", "open_store"]
