"""Every error of this floor, and how they relate.

ConsentError
├── UnsafeDatabase         a database doesn't keep what it acknowledges; the process doesn't start
├── DatabaseUnreachable    a database isn't there, or doesn't answer; it may later
├── NaiveTime              a moment without a time zone was handed to a table
├── KeyStoreError
│   ├── KeyUnknown         nobody ever made a key for this owner
│   ├── Destroyed          there was one, and it was destroyed
│   ├── EpochKeyMissing    the file that unwraps a value is absent or unsafe; never to be taken for Destroyed
│   └── ValueRefused       a sealed or wrapped value doesn't open: damaged, moved, or under another key
├── JournalError
│   ├── StartRefused       the journal isn't the one this service last acknowledged
│   ├── IntegrityBroken    the journal contradicts itself; carries the index where one is known
│   ├── PupilUnknown       the pupil whose row should be locked isn't there
│   └── YearOpen           staff's entries of a year that isn't over are not to be erased yet
├── ShippingError
│   ├── NotShipped         the second place took nothing; what was committed isn't acknowledged
│   └── ShipmentRefused    what stands in the second place isn't what this service put there, or not all of it
└── LedgerError
    ├── EventRefused       a draft or a stored event breaks the form of an event
    ├── RecordRefused      this person may not record this event, or not now; carries the reason
    └── KeyConflict        an idempotency key came again with another content

Messages say what is wrong and where. They never hold personal data or a secret.
"""


class ConsentError(Exception):
    """Root of what this floor raises on purpose."""


class UnsafeDatabase(ConsentError):
    """A database would lose or keep what it must not. `setting` names what was found wanting."""

    def __init__(self, setting: str, found: object) -> None:
        super().__init__(f"unsafe database: {setting} is {found}")
        self.setting = setting


class DatabaseUnreachable(ConsentError):
    """A database couldn't be opened: nothing answers at its address, or there is no such database."""

    def __init__(self, name: str, address: str, why: str) -> None:
        super().__init__(f"can't reach {name}, {address}: {why}")


class NaiveTime(ConsentError):
    """A moment has no time zone, so nobody can say when it is."""


class KeyStoreError(ConsentError):
    """Root of what the key store refuses."""


class KeyUnknown(KeyStoreError):
    """There never was a key for this owner."""


class Destroyed(KeyStoreError):
    """The owner's key was destroyed, and what it sealed is gone with it."""


class EpochKeyMissing(KeyStoreError):
    """An epoch key's file is absent, cut short, or readable by others. `epoch` says which."""

    def __init__(self, epoch: int, what: str) -> None:
        super().__init__(f"key of epoch {epoch}: {what}")
        self.epoch = epoch


class ValueRefused(KeyStoreError):
    """A sealed value doesn't open under the key that should open it."""


class JournalError(ConsentError):
    """Root of what the journal refuses."""


class StartRefused(JournalError):
    """The journal is older than, or another than, the one last acknowledged. `reason` is a constant."""

    ROLLBACK = "ROLLBACK"
    ROOT_MISMATCH = "ROOT_MISMATCH"
    NO_MARK = "NO_MARK"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class IntegrityBroken(JournalError):
    """The journal contradicts itself. `index` names the entry, or is None where the head itself is wrong."""

    def __init__(self, what: str, index: int | None = None) -> None:
        super().__init__(what if index is None else f"entry {index}: {what}")
        self.index = index


class PupilUnknown(JournalError):
    """There is no such pupil to lock."""


class YearOpen(JournalError):
    """The year of a staff key isn't over."""


class ShippingError(ConsentError):
    """Root of what goes wrong with the second place."""


class NotShipped(ShippingError):
    """The second place couldn't be written: the act may stand, and nobody is told that it does."""


class ShipmentRefused(ShippingError):
    """Shipments don't follow on each other, or one isn't this service's."""


class LedgerError(ConsentError):
    """Root of what the ledger refuses to record."""


class EventRefused(LedgerError):
    """A draft or a stored event breaks the form of an event. The message says which field, never its value."""


class RecordRefused(LedgerError):
    """This person may not record this event, or not now. `reason` is a constant."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyConflict(LedgerError):
    """An idempotency key came again with another content."""
