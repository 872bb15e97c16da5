"""What is kept: database tables and blobs."""

from jupyter_deployr.webnode.store.access_changes import AccessChanges
from jupyter_deployr.webnode.store.accounts import Account, AccountStore
from jupyter_deployr.webnode.store.batches import BatchStore, RecordResult, StoredBatch
from jupyter_deployr.webnode.store.blobs import BlobDamaged, Blobs
from jupyter_deployr.webnode.store.data_directory import OtherDataDirectory, bind
from jupyter_deployr.webnode.store.database import Database, DatabaseTooNew, DriverMissing
from jupyter_deployr.webnode.store.database_url import UnusableURL
from jupyter_deployr.webnode.store.snapshots import SnapshotStore, StoredSnapshot
from jupyter_deployr.webnode.store.token_families import TokenFamily, TokenFamilyStore
from jupyter_deployr.webnode.store.versions import StoredVersion, VersionStore

__all__ = [
    "AccessChanges",
    "Account",
    "AccountStore",
    "BatchStore",
    "BlobDamaged",
    "Blobs",
    "Database",
    "DatabaseTooNew",
    "DriverMissing",
    "OtherDataDirectory",
    "RecordResult",
    "SnapshotStore",
    "StoredBatch",
    "StoredSnapshot",
    "StoredVersion",
    "TokenFamily",
    "TokenFamilyStore",
    "UnusableURL",
    "VersionStore",
    "bind",
]
