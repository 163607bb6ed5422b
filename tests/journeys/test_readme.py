"""The README's way from nothing to a running service, word for word, but for the port."""

import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx

from crypto.keyfile import parse_public

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SERVE = "handover serve"


def commands(heading: str) -> list[str]:
    """Read the commands under a heading: lines that stand further in."""
    [part] = (each for each in re.split(r"^## ", README, flags=re.M) if each.startswith(heading))
    return [line.strip() for line in part.splitlines() if line.startswith("       ")]


def test_the_readme_leads_from_nothing_to_a_running_service(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HANDOVER_")}
    environment["HANDOVER_PASSPHRASE"] = "zeven kale kikkers"
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    typed = [command.replace("8443", port) for command in commands("From nothing")]
    at = typed.index(SERVE)

    def types(*lines: str) -> None:
        script = "set -e; " + "; ".join(lines)
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")

    types(*typed[:at])
    environment["HANDOVER_HOME"] = str(tmp_path / "service")  # as the line before it exports
    assert f"export HANDOVER_HOME={environment['HANDOVER_HOME']}" in [
        line.replace("$PWD", str(tmp_path)) for line in typed
    ]
    with subprocess.Popen(SERVE.split(), cwd=tmp_path, env=environment) as service:
        try:
            while not answers(port):
                with suppress(subprocess.TimeoutExpired):
                    service.wait(0.05)
                assert service.poll() is None
            types(*typed[at + 1 :])
        finally:
            service.terminate()
    public = parse_public((tmp_path / "checked.pub").read_bytes())
    assert (public.school, public) == ("01AA00", parse_public((tmp_path / "school.pub").read_bytes()))


def answers(port: str) -> bool:
    """Tell whether the service is there."""
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/v1/health").json() == {"status": "ok"}
    return False
