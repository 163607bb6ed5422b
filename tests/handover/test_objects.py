"""Stores that aren't a folder: what can be seen of them without one."""

import socket
from collections.abc import Callable

import pytest

from handover.blobs import Blobs
from handover.second import Second

ACTS: dict[str, Callable[[Second, Blobs], object]] = {
    "ship": lambda second, blobs: second.put("000000000001", b"shipment"),
    "read a shipment": lambda second, blobs: second.get("000000000001"),
    "list shipments": lambda second, blobs: second.names(),
    "remove a shipment": lambda second, blobs: second.delete("000000000001"),
    "write ciphertext": lambda second, blobs: blobs.put([b"ciphertext"]),
    "read ciphertext": lambda second, blobs: blobs.stream("a"),
    "list ciphertext": lambda second, blobs: blobs.names(),
    "remove ciphertext": lambda second, blobs: blobs.delete("a"),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_s3_that_can_not_be_reached_is_an_oserror_that_tells_nothing_of_where(
    monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """H3, K5: the door answers 503, and no address or key gets into a message."""
    with socket.socket() as taken:  # nobody listens here, and nobody else can
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said = {"ENDPOINT": address, "ALLOW_HTTP": "true", "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret"}
        for name, value in (said | {"REGION": "region"}).items():
            monkeypatch.setenv(f"AWS_{name}", value)
        with pytest.raises(OSError, match=r"^GenericError$") as refused:
            ACTS[act](Second("s3://bucket/second"), Blobs("s3://bucket/blobs"))
    assert refused.value.__cause__ is None
