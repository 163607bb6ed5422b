"""Errors of the crypto floor. Each says what was refused and why, and never what was in it.

CryptoError
├── EncodingRefused            bytes that are not the one encoding of a value, or a value that has none
├── KeyRefused                 a key, or a file of keys, that can't be used
├── SignatureRefused           a signature that doesn't hold
├── DocumentChanged            a document isn't as long as it was said to be when sealing began
├── PassphraseRefused          a passphrase that doesn't open the file
├── ProofRefused               a Merkle proof, or a tree's frontier, that doesn't hold
├── CheckpointRefused          a checkpoint or a receipt that isn't this log's, or isn't signed by it
├── StatementRefused           a certificate or a key statement that is malformed or not signed as it must be
├── KeyLogRefused              a key log that rolled back, forked, has a hole, or an entry that doesn't follow
├── RecoveryRefused            a recovery file, an officer or an officer's part that can't give a school's keys back
└── BundleRefused              a bundle that must not be trusted
    ├── BundleMalformed        its bytes aren't the format's
    ├── BundleUnsigned         its signatures aren't the sender's, or not those that its suite demands
    ├── BundleMisaddressed     it is sealed to another key
    ├── BundleAltered          its contents aren't those that were signed
    ├── ShareRefused           a release share isn't the one that the bundle commits to
    └── TargetExists           opening it would overwrite something

Every class has a constant `reason`, which callers may show, log and store.
"""

from typing import ClassVar


class CryptoError(Exception):
    """Root of everything that this floor raises on purpose."""

    reason: ClassVar[str] = "CRYPTO"


class EncodingRefused(CryptoError):
    """Bytes are not the one encoding of a value, or a value has no encoding."""

    reason = "ENCODING"


class KeyRefused(CryptoError):
    """A key or a file of keys is malformed, weak, or not of the kind that is needed."""

    reason = "KEY"


class SignatureRefused(CryptoError):
    """A signature was not made by this key over this message in this context."""

    reason = "SIGNATURE"


class PassphraseRefused(CryptoError):
    """A passphrase does not open the key file, or the file was altered; the two can't be told apart."""

    reason = "PASSPHRASE"


class ProofRefused(CryptoError):
    """A Merkle proof doesn't lead to the root, or a frontier isn't one."""

    reason = "PROOF"


class CheckpointRefused(CryptoError):
    """A checkpoint or receipt is malformed, of another log, or not signed by its key."""

    reason = "CHECKPOINT"


class StatementRefused(CryptoError):
    """A board's certificate or a key statement is malformed, or lacks a signature that it needs."""

    reason = "STATEMENT"


class KeyLogRefused(CryptoError):
    """An entry doesn't follow on the key log before it, or no key is current."""

    reason = "KEY_LOG"


class RecoveryRefused(CryptoError):
    """A recovery file or a part of one is malformed or altered, or these officers can't open it together."""

    reason = "RECOVERY"


class DocumentChanged(CryptoError):
    """A document gave more or fewer bytes than its size when it was sealed."""

    reason = "DOCUMENT_CHANGED"


class BundleRefused(CryptoError):
    """A bundle must not be trusted; the subclasses say why."""

    reason = "BUNDLE"


class BundleMalformed(BundleRefused):
    """The bytes don't follow the container's or the manifest's format."""

    reason = "BUNDLE_MALFORMED"


class BundleUnsigned(BundleRefused):
    """The signatures aren't exactly those of the suite by the expected sender."""

    reason = "BUNDLE_UNSIGNED"


class BundleMisaddressed(BundleRefused):
    """The bundle is sealed to another key than the one at hand."""

    reason = "BUNDLE_MISADDRESSED"


class BundleAltered(BundleRefused):
    """What is inside is not what the manifest commits to, or doesn't decrypt to a section."""

    reason = "BUNDLE_ALTERED"


class ShareRefused(BundleRefused):
    """A release share is missing, superfluous, or not the one that the manifest commits to."""

    reason = "SHARE"


class TargetExists(BundleRefused):
    """The folder to open into is there already; nothing is ever overwritten."""

    reason = "TARGET_EXISTS"
