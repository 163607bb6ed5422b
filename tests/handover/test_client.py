"""The client against a service on a loopback port: what it signs, streams, repeats and refuses."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import date

import pytest

from crypto.encoding import b64
from crypto.keyfile import KeyFile
from handover.client import ANSWER_LIMIT, RELEASE, UPLOAD, Client, PublicClient, ServiceFailed, ServiceRefused, Staff
from handover.errors import SettingsRefused
from handover.roles import Role
from tests.handover.loopback import Answer, Service, as_json, problem, service

KEY = KeyFile.generate("99AB00")
STAFF = Staff("s-0042", Role.INTERNAL_SUPERVISOR)


@pytest.fixture
def at() -> Iterator[Service]:
    with service({KEY.request.kid: KEY.request.public}) as running:
        yield running


@pytest.fixture
def client(at: Service) -> Iterator[Client]:
    with Client(at.origin, KEY, STAFF) as client:
        yield client


CALLS = {
    "new_pupil": ("POST", "/v1/pupils", lambda c: c.new_pupil("17", "Quirijntje", date(2014, 3, 2), {"holders": []})),
    "set_custody": ("PUT", "/v1/pupils/p1/custody", lambda c: c.set_custody("p1", {"holders": []}, "s-1")),
    "new_transfer": ("POST", "/v1/transfers", lambda c: c.new_transfer("p1", "99CD01", "POVO", "placement", ["okr"])),
    "transfer": ("GET", "/v1/transfers/t1", lambda c: c.transfer("t1")),
    "cancel": ("POST", "/v1/transfers/t1/cancel", lambda c: c.cancel("t1")),
    "application": ("POST", "/v1/transfers/t1/application", lambda c: c.confirm_application("t1")),
    "statutory": ("POST", "/v1/transfers/t1/statutory", lambda c: c.invoke_law("t1", ["okr"])),
    "invite": ("POST", "/v1/transfers/t1/invitations", lambda c: c.invite("t1", "g1")),
    "objection": (
        "POST",
        "/v1/transfers/t1/objections/e1/decision",
        lambda c: c.decide_objection("t1", "e1", upheld=False, reason="x"),
    ),
    "acknowledge": ("POST", "/v1/transfers/t1/acknowledgement", lambda c: c.acknowledge("t1", True, ["class"])),
}
BODIES = {
    "new_pupil": {"number": "17", "first_name": "Quirijntje", "birth_date": "2014-03-02", "custody": {"holders": []}},
    "set_custody": {"holders": [], "second_person": "s-1"},
    "new_transfer": {
        "pupil": "p1",
        "receiver": "99CD01",
        "route": "POVO",
        "purpose": "placement",
        "sections": ["okr"],
    },
    "cancel": {},
    "application": {},
    "statutory": {"sections": ["okr"]},
    "invite": {"person": "g1"},
    "objection": {"upheld": False, "reason": "x"},
    "acknowledge": {"received": True, "placed": True, "used_for": ["class"]},
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_signed_and_says_what_the_service_expects(at: Service, client: Client, name: str) -> None:
    method, path, call = CALLS[name]
    at.answer = lambda asked: as_json({"done": name})
    assert call(client) == {"done": name}
    [asked] = at.asked
    assert (asked.method, asked.path) == (method, path)
    assert asked.staff == '"s-0042";role=internal_supervisor'
    if name in BODIES:
        assert asked.json == BODIES[name]
        assert len(asked.headers["idempotency-key"].strip('"')) == 32
    else:
        assert "idempotency-key" not in asked.headers


def test_what_is_public_needs_no_key(at: Service) -> None:
    with PublicClient(at.origin) as client:
        client.put_board({"body": {}})
        client.put_policy("bestuur", {"v": 1}, b"s" * 64)
        client.put_dpo("bestuur", {"v": 1}, "s" * 86)
        client.put_keys("99AB00", [{"body": {}}])
        client.get_school("99AB00")
        client.keylog(500)
        assert client.keylog_checkpoint() == client.journal_checkpoint() == b"{}"
    assert [(asked.method, asked.path) for asked in at.asked] == [
        ("POST", "/v1/boards"),
        ("PUT", "/v1/boards/bestuur/policy"),
        ("PUT", "/v1/boards/bestuur/dpos"),
        ("POST", "/v1/schools/99AB00/keys"),
        ("GET", "/v1/schools/99AB00"),
        ("GET", "/v1/keylog?start=500"),
        ("GET", "/v1/keylog/checkpoint"),
        ("GET", "/v1/journal/checkpoint"),
    ]
    assert not any("signature" in asked.headers for asked in at.asked)


def test_a_proof_comes_as_hashes_and_a_cosigned_note_goes_as_it_is(at: Service) -> None:
    hashes = [bytes([place]) * 32 for place in range(3)]
    at.answer = lambda asked: as_json({"old": 3, "new": 9, "proof": [b64(hashed) for hashed in hashes]})
    with PublicClient(at.origin) as client:
        assert client.journal_consistency(3, 9) == hashes
        client.post_witnessed("log\n3\n\n\u2014 x y\n".encode())
    assert [(asked.method, asked.path) for asked in at.asked] == [
        ("GET", "/v1/journal/consistency?old=3&new=9"),
        ("POST", "/v1/journal/witnessed"),
    ]
    assert at.asked[1].json == {"note": "log\n3\n\n\u2014 x y\n"}


@pytest.mark.parametrize("proof", [None, {}, "x", [1], ["AAAA"], ["=" * 43], [b64(bytes(33))]])
def test_a_proof_of_another_form_is_refused(at: Service, proof: object) -> None:
    at.answer = lambda asked: as_json({"old": 3, "new": 9, "proof": proof})
    with PublicClient(at.origin) as client, pytest.raises(ServiceFailed, match="form"):
        client.journal_consistency(3, 9)


def test_all_pages_of_a_list_are_asked_for(at: Service, client: Client) -> None:
    pages = [{"transfers": [{"transfer": "1"}], "next": "a+/="}, {"transfers": [{"transfer": "2"}], "next": None}]
    at.answer = lambda asked: as_json(pages[len(at.asked) - 1])
    assert [row["transfer"] for row in client.transfers("sender")] == ["1", "2"]
    assert at.asked[1].path == "/v1/transfers?side=sender&cursor=a%2B%2F%3D"
    assert all(asked.staff for asked in at.asked)


@pytest.mark.parametrize(
    "page", [{}, {"transfers": {}, "next": None}, {"transfers": [1], "next": None}, {"transfers": []}]
)
def test_a_list_of_another_form_is_refused(at: Service, client: Client, page: object) -> None:
    at.answer = lambda asked: as_json(page)
    if page == {"transfers": []}:
        assert list(client.transfers("sender")) == []
    else:
        with pytest.raises(ServiceFailed, match="form"):
            list(client.transfers("sender"))


def test_a_list_that_never_ends_is_refused(at: Service, client: Client) -> None:
    at.answer = lambda asked: as_json({"transfers": [], "next": "same"})
    with pytest.raises(ServiceFailed, match="form"):
        list(client.transfers("sender"))
    assert len(at.asked) == 2


def test_a_refusal_keeps_code_sentence_and_fields(at: Service, client: Client) -> None:
    at.answer = lambda asked: problem(422, "RECEIVER_UNKNOWN", "Not known here.", **{"/receiver": "Not a school."})
    with pytest.raises(ServiceRefused) as refused:
        client.cancel("t1")
    told = refused.value
    assert (told.code, told.status, told.detail) == ("RECEIVER_UNKNOWN", 422, "Not known here.")
    assert told.fields == {"/receiver": "Not a school."}
    assert len(at.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(502, b"<html>bad gateway</html>", "text/html"),
        Answer(403, b"not json", "application/problem+json"),
        Answer(403, b"[]", "application/problem+json"),
        Answer(403, b'{"code": 1}', "application/problem+json"),
        Answer(302, b"", "text/html"),
    ],
)
def test_a_refusal_without_a_reason_is_told_as_that(at: Service, client: Client, answer: Answer) -> None:
    at.answer = lambda asked: answer
    with pytest.raises(ServiceFailed):
        client.cancel("t1")
    assert len(at.asked) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b'{"a": 1, "a": 2}', b" " * (ANSWER_LIMIT + 1)])
def test_an_answer_of_another_form_or_size_is_refused(at: Service, client: Client, body: bytes) -> None:
    at.answer = lambda asked: Answer(body=body)
    with pytest.raises(ServiceFailed, match="form"):
        client.cancel("t1")


def test_a_lost_answer_is_asked_for_again_with_the_same_key(at: Service, client: Client) -> None:
    """H6"""
    at.answer = lambda asked: Answer(body=b'{"state": "x"}', cut=3 if len(at.asked) < 3 else None)
    assert client.cancel("t1") == {"state": "x"}
    assert len({asked.headers["idempotency-key"] for asked in at.asked}) == 1
    assert len({asked.headers["signature-input"] for asked in at.asked}) == 3


def test_after_three_lost_answers_the_client_gives_up(at: Service, client: Client) -> None:
    at.answer = lambda asked: Answer(body=b'{"state": "x"}', cut=3)
    with pytest.raises(ServiceFailed, match="no answer"):
        client.cancel("t1")
    assert len(at.asked) == 3


def test_a_release_is_never_asked_for_again_by_itself(at: Service, client: Client) -> None:
    at.answer = lambda asked: Answer(body=b"\0\0\0\2{}abc", media_type=RELEASE, cut=2)
    with pytest.raises(ServiceFailed), client.release("t1", "okr") as release:
        list(release.container)
    assert len(at.asked) == 1


def test_a_release_is_split_into_head_and_container(at: Service, client: Client) -> None:
    container = bytes(range(256)) * 5000
    head = json.dumps({"v": 1}).encode()
    body = len(head).to_bytes(4, "big") + head + container
    at.answer = lambda asked: Answer(body=body, media_type=RELEASE)
    with client.release("t1", "okr") as release:
        assert release.head == {"v": 1}
        assert b"".join(release.container) == container
    assert at.asked[0].json == {"sections": ["okr"]}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"\0\0\0\2{}", "application/json"),
        (b"\0\0\0\2", RELEASE),
        (b"\0\0", RELEASE),
        (b"\0\0\0\2[]", RELEASE),
        (b"\xff\xff\xff\xff" + b"x" * 300_000, RELEASE),
    ],
)
def test_a_release_of_another_form_is_refused(at: Service, client: Client, body: bytes, media_type: str) -> None:
    at.answer = lambda asked: Answer(body=body, media_type=media_type)
    with pytest.raises(ServiceFailed), client.release("t1", "okr") as release:
        list(release.container)


def test_an_upload_is_streamed_in_constant_memory(at: Service, client: Client) -> None:
    size, told = 30_000_000, list[int]()
    client.cancel("t1")
    tracemalloc.start()
    client.upload("t1", b"shares", _Zeros(size), "send-1234567890123456", told.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    asked = at.asked[1]
    assert asked.staff is not None
    assert asked.headers["content-type"] == UPLOAD
    assert asked.headers["content-length"] == str(size + 10)
    assert asked.headers["idempotency-key"] == '"send-1234567890123456"'
    assert asked.body.startswith(b"\0\0\0\6shares\0\0")
    assert told[-1] == size
    assert peak < 8_000_000


class _Zeros(io.RawIOBase):
    """A file of zeros that takes no memory."""

    def __init__(self, size: int) -> None:
        self.size = self.left = size

    def read(self, size: int = -1) -> bytes:
        count = min(size, self.left)
        self.left -= count
        return bytes(count)

    def seek(self, offset: int, whence: int = 0) -> int:
        self.left = self.size - offset
        return offset


@pytest.mark.parametrize("name", ["", "../t", "a/b", "a?b", "a" * 65, "é"])
def test_what_is_no_id_gets_into_no_address(at: Service, client: Client, name: str) -> None:
    with pytest.raises(ServiceRefused, match="ID_REFUSED"):
        client.transfer(name)
    assert at.asked == []


@pytest.mark.parametrize(
    "origin", ["http://example.org", "ftp://127.0.0.1", "https://example.org/x", "https://u@x.nl", ""]
)
def test_an_origin_that_could_be_listened_to_is_refused(origin: str) -> None:
    with pytest.raises(SettingsRefused):
        PublicClient(origin)


def test_a_key_of_nobody_signs_no_request() -> None:
    with pytest.raises(SettingsRefused, match="names no school"):
        Client("https://handover.example", KeyFile.generate(None), STAFF)


def test_a_service_that_is_not_there_is_told_as_that() -> None:
    with service() as gone:
        origin = gone.origin
    with PublicClient(origin) as client, pytest.raises(ServiceFailed, match="no answer"):
        client.keylog_checkpoint()
