"""What is kept: database tables and blobs."""

from jupyter_deployr.webnode.store.accounts import Account, AccountStore
from jupyter_deployr.webnode.store.blobs import Blobs
from jupyter_deployr.webnode.store.database import Database, DatabaseTooNew
from jupyter_deployr.webnode.store.snapshots import SnapshotStore, StoredSnapshot
from jupyter_deployr.webnode.store.token_families import TokenFamily, TokenFamilyStore
from jupyter_deployr.webnode.store.versions import Parameters, StoredVersion, VersionStore

__all__ = [
    "Account",
    "AccountStore",
    "Blobs",
    "Database",
    "DatabaseTooNew",
    "Parameters",
    "SnapshotStore",
    "StoredSnapshot",
    "StoredVersion",
    "TokenFamily",
    "TokenFamilyStore",
    "VersionStore",
]
