"""Objects by name in a folder or in S3, as ciphertext and shipments are kept: one way to open both, one kind of error.

An S3 that is silent for twenty seconds is given up, however long what it sends may take.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from crypto.files import PRIVATE_FOLDER

if TYPE_CHECKING:  # they are types alone
    from obstore.store import ClientConfig, RetryConfig

RETRIES: Final["RetryConfig"] = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}


def open_store(place: str) -> tuple[ObjectStore, Path | None]:
    """Open a folder, which is made if need be, or a URL such as `s3://bucket/prefix`; gives the folder too."""
    if "://" in place:
        plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"  # options that are given hide the environment's
        client: ClientConfig = {"connect_timeout": "5s", "read_timeout": "20s", "timeout": "1h", "allow_http": plain}
        return from_url(place, client_options=client, retry_config=RETRIES), None
    folder = Path(place)
    folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    return LocalStore(folder), folder


@contextmanager
def as_oserror() -> Iterator[None]:
    """Let what a store raises be OSError, without the address and the answer that stand in its message."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError("no such object") from None
    except AlreadyExistsError:
        raise FileExistsError("taken") from None
    except BaseError as problem:
        raise OSError(type(problem).__name__) from None
