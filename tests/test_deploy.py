"""What stands in deploy/ and the README about running the service: said once, and true."""

import re
from pathlib import Path

from handover.bundles import LARGEST

ROOT = Path(__file__).parent.parent
PROXY = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")


def said(name: str) -> list[str]:
    return re.findall(rf"^\s*{name}\s+([^;]+);", PROXY, re.MULTILINE)


def test_the_proxy_speaks_no_old_tls() -> None:
    assert said("ssl_protocols") == ["TLSv1.2 TLSv1.3"]


def test_the_proxys_ciphers_are_authenticated_and_forward_secret() -> None:
    (ciphers,) = said("ssl_ciphers")
    names = ciphers.split(":")
    assert len(names) == 4
    assert [name for name in names if not (name.startswith("ECDHE-") and "-GCM-" in name)] == []


def test_the_proxy_keeps_nothing_of_what_passes_and_lets_a_whole_upload_through() -> None:
    assert set(said("access_log")) == {"off"}
    assert said("proxy_request_buffering") == said("proxy_buffering") == ["off"]
    (size,) = said("client_max_body_size")
    assert int(size.removesuffix("m")) << 20 > LARGEST


def test_the_proxy_turns_plain_http_away() -> None:
    assert said("return") == ["301 https://overdracht.example$request_uri"]


def test_the_proxy_lets_nobody_try_codes_without_end() -> None:
    """G2: for each address, and only where codes are sent; beyond that 429, as the service itself answers."""
    assert said("limit_req_zone") == ["$binary_remote_addr zone=overdracht_codes:10m rate=60r/m"]
    [family] = re.findall(r"location /v1/family/ {([^}]*)}", PROXY)
    assert "limit_req zone=overdracht_codes burst=60 nodelay;" in family
    assert said("limit_req_status") == ["429"]
    assert len(said("proxy_pass")) == PROXY.count("location ") == 2


def test_the_readme_says_when_a_known_weakness_is_mended() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "within 48 hours when it is critical, within 14 days when it is high" in readme
