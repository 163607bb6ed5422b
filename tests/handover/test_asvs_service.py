"""What the service does with requests that nobody should send: OWASP ASVS 5.0.0, rows of `tests/asvs.csv`."""

import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser

from handover.client import PublicClient, ServiceFailed
from handover.logs import configure, log
from handover.parts import Parts
from tests.handover.story import PO, Story
from tests.region import ORIGIN, expect

MUTATING = [
    ("POST", "/v1/boards"),
    ("PUT", "/v1/boards/po-noord/policy"),
    ("POST", f"/v1/schools/{PO}/keys"),
    ("POST", "/v1/family/answers"),
    ("POST", "/v1/family/withdrawal"),
    ("POST", "/v1/family/objection"),
]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
def test_a_method_that_nobody_needs_is_unknown(standing: Story, method: str) -> None:
    """V13.4.4"""
    answer = expect(standing.region.http.open("/v1/health", method=method, headers={"X-Said": "canary"}), 405)
    assert "canary" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/v1/health", "/v1/family/answers", "/v1/transfers"])
def test_another_site_gets_no_leave_to_read_or_write(standing: Story, path: str) -> None:
    """V3.4.2, V3.5.2, F8"""
    asked = {"Origin": "https://elders.test", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET", "POST"):
        answer = standing.region.http.open(path, method=method, headers=asked)
        assert not [name for name in dict(answer.headers) if name.startswith("Access-Control-")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
@pytest.mark.parametrize(("method", "path"), MUTATING)
def test_a_form_on_another_site_changes_nothing(standing: Story, method: str, path: str, kind: str) -> None:
    """V3.5.1, F1: what a browser sends without asking first isn't read."""
    before = standing.rows()
    answer = standing.region.http.open(path, method=method, data=b'{"token": "x"}', content_type=kind)
    assert expect(answer, 415).get_json()["code"] == "UNSUPPORTED_MEDIA_TYPE"
    assert standing.rows() == before


def test_reading_changes_nothing(standing: Story) -> None:
    """V3.5.3: a GET leaves every table as it was, but for the nonce of a signed one."""
    case = standing.case(invited=False)
    before = standing.rows("nonce")
    for path in ("/v1/health", "/v1/keylog?start=0", f"/v1/schools/{PO}", "/v1/journal/checkpoint"):
        expect(standing.region.http.get(path), 200)
    for path in (case.path, "/v1/transfers?side=sender"):
        expect(standing.region.send(PO, "GET", path), 200)
    assert standing.rows("nonce") == before


def test_every_text_names_its_characters(standing: Story) -> None:
    """V4.1.1"""
    for path in ("/v1/keylog/checkpoint", "/v1/journal/checkpoint"):
        assert standing.region.http.get(path).content_type == "text/plain; charset=utf-8"
    assert standing.region.http.get("/v1/health").content_type == "application/json"


def test_no_address_has_a_place_for_a_secret_or_a_person(standing: Story) -> None:
    """V14.2.1, F7: ids and cursors go into addresses; tokens, names and numbers into bodies."""
    document = standing.region.http.get("/v1/openapi.json").get_json()
    paths = document["paths"]
    named = {name for path in paths for name in re.findall(r"{(\w+)}", path)}
    named |= {
        parameter["name"]
        for operations in paths.values()
        for operation in operations.values()
        if isinstance(operation, dict)
        for parameter in operation.get("parameters", ())
        if parameter["in"] != "header"
    }
    assert {"transfer", "pupil", "school", "side", "cursor"} <= named
    assert not [name for name in named if re.search("token|secret|number|mail|name|birth|bsn|key$", name)]


@pytest.mark.parametrize(
    "path", ["/.git/config", "/.git/", "/v1/", "/static/", "/deploy/env.example", "/v1/..%2f..%2fservice.json"]
)
def test_no_file_of_the_machine_and_no_listing_is_served(standing: Story, path: str) -> None:
    """V5.3.1, V13.4.1, V13.4.3"""
    assert expect(standing.region.http.get(path, base_url=ORIGIN), 404).get_json()["code"] == "NOT_FOUND"


def test_no_answer_sends_anybody_elsewhere(standing: Story) -> None:
    """V3.7.2, V4.1.2, F5"""
    for path in ("/v1/health/", "/v1//health", "/v1/transfers/?next=//elders.test"):
        answer = standing.region.http.get(path)
        assert answer.status_code == 404
        assert "Location" not in answer.headers


def test_a_parameter_counts_from_its_own_place_only(standing: Story) -> None:
    """V15.3.7: not from a body, a cookie or a header; of two the first is read, never a mix."""
    region = standing.region
    refused = region.send(PO, "GET", "/v1/transfers", {"side": "sender"})
    assert expect(refused, 422).get_json()["fields"].keys() == {"/query/side"}
    assert expect(region.http.get("/v1/keylog", headers={"Cookie": "start=x", "Start": "x"}), 200).get_json()["entries"]
    expect(region.http.get("/v1/keylog?start=0&start=x"), 200)
    expect(region.http.get("/v1/keylog?start=x&start=0"), 422)


SMUGGLED = {
    "both lengths": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "an unknown coding": b"Transfer-Encoding: chunked, identity\r\n",
    "a blank in a name": b"Transfer-Encoding : chunked\r\n",
    "a folded line": b"X-A: a\r\n b\r\n",
}


@pytest.fixture(scope="module")
def gunicorn(standing: Story) -> Config:
    """Give gunicorn's settings as `handover serve` sets them."""
    folder = standing.region.folder
    described = {"origin": ORIGIN, "log": "overdracht.test", "root": standing.region.root.public.hex()}
    (folder / "service.json").write_text(json.dumps(described))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDOVER_HOME", str(folder))
        from handover import serving
    config = Config()
    for name in vars(serving).keys() & config.settings.keys():
        config.set(name, getattr(serving, name))
    return config


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_request_of_uncertain_length_is_refused(gunicorn: Config, name: str) -> None:
    """V4.2.1, F9"""
    raw = b"POST /v1/boards HTTP/1.1\r\nHost: overdracht.test\r\n" + SMUGGLED[name] + b"\r\n0\r\n\r\n"
    with pytest.raises(ParseException):
        next(iter(RequestParser(gunicorn, iter([raw]), ("127.0.0.1", 1))))


def test_the_server_believes_no_proxy_and_bounds_every_request(gunicorn: Config) -> None:
    """V4.1.3, V15.2.2, V15.3.4, G8"""
    assert gunicorn.forwarded_allow_ips == []
    assert 0 < gunicorn.limit_request_line <= 4094
    assert 0 < gunicorn.limit_request_fields <= 100
    assert 0 < gunicorn.limit_request_field_size <= 8190
    assert 0 < gunicorn.timeout <= 120
    assert not gunicorn.reload


def test_what_goes_wrong_inside_tells_nothing_outside(
    standing: Story, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """V16.3.4, V16.5.1, V16.5.3: the answer is one sentence; the log names the class and the line, and no value."""
    configure()

    def broken(_: Parts) -> object:
        raise RuntimeError("s3cret at /var/lib/overdracht")

    view = standing.region.app.view_functions
    name = next(name for name, function in view.items() if name.endswith("health") or "health" in name.lower())
    monkeypatch.setitem(view, name, lambda **_: broken(standing.region.parts))
    answer = expect(standing.region.http.get("/v1/health"), 500)
    assert answer.get_json()["code"] == "FAILED"
    said = capsys.readouterr().err
    assert json.loads(said.splitlines()[0])["error"] == "RuntimeError"
    for text in (answer.get_data(as_text=True), said):
        assert "s3cret" not in text
        assert "Traceback" not in text
        assert "/var/lib" not in text


def test_a_line_of_the_log_says_when_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    """V16.2.2, V16.2.4"""
    configure()
    log().info("bundle_stored", size=1)
    line = json.loads(capsys.readouterr().err)
    assert line["timestamp"].endswith("Z")
    assert abs(datetime.fromisoformat(line["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)


@contextmanager
def self_signed(folder: Path) -> Iterator[str]:
    """Run an HTTPS service on this machine whose certificate nobody vouches for."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, today, today + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = folder / "server.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(secret + made.sign(key, None).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the broken handshake is what is wanted
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_whose_certificate_nobody_vouches_for_is_told_nothing(tmp_path: Path) -> None:
    """V12.3.2, V12.3.4"""
    with self_signed(tmp_path) as origin, PublicClient(origin) as client, pytest.raises(ServiceFailed):
        client.get_school(PO)
