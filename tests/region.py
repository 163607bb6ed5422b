"""A whole region for tests: the register, two boards with their schools and real keys, and a service to go through.

Nothing is mocked: requests are signed, bundles sealed, databases real. Only the way to the service is short: the
application is called in this process.
"""

import io
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from consent.fields import print_time
from consent.journal import Journal
from consent.keystore import KeyStore
from consent.ledger import Ledger
from consent.terms import Section
from crypto.encoding import b64, canon, parse, unb64
from crypto.keyfile import KeyFile
from crypto.keys import SignKey
from crypto.merkle import leaf_hash
from crypto.seal import Content, Document, Sealed, seal
from crypto.shares import print_shares
from crypto.sign import sign
from crypto.statements import (
    LIMIT,
    BoardCertificate,
    KeyStatement,
    Kind,
    State,
    parse_statement,
    print_certificate,
    print_statement,
)
from handover.app import create_app
from handover.blobs import Blobs
from handover.parts import Parts
from handover.register import Register
from handover.settings import Settings
from handover.signing import content_digest, sign_request
from tests import canary
from tests.conftest import Databases

ORIGIN = "https://overdracht.test"
LOG = "overdracht.test"
CANARY = Content({"naam": canary.NAME, "bsn": canary.BSN, "mail": canary.MAIL, "notitie": canary.NOTE})
YEARS = timedelta(days=3 * 365)
UPLOAD = "application/vnd.overdracht.upload"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class School:
    """A school location with its keys, and the statements that its board made on them."""

    code: str
    board: "Board"
    keys: KeyFile
    leaves: dict[str, list[bytes]] = field(default_factory=dict)

    def state(self, kind: Kind, state: State = "current", keys: KeyFile | None = None) -> bytes:
        """Let the board make the next statement on a key of this school."""
        keys = keys or self.keys
        before = self.leaves.setdefault(kind, [])
        public = {"seal": keys.seal.public, "sign": keys.sign.public, "request": keys.request.public}[kind]
        statement = KeyStatement(
            school=self.code,
            kind=kind,
            public=public,
            epoch=len(before) + 1,
            valid_from=now().replace(microsecond=0) - timedelta(minutes=1),
            valid_until=now().replace(microsecond=0) + YEARS,
            previous=leaf_hash(before[-1]) if before else None,
            state=state,
        )
        own = {"seal": keys.sign, "sign": keys.sign, "request": keys.request}[kind] if state == "current" else None
        before.append(print_statement(statement, self.board.identity, own))
        return before[-1]


@dataclass
class Board:
    """A board with its identity key."""

    code: str
    identity: SignKey
    certificates: list[bytes] = field(default_factory=list)


class Region:
    """A service on a pair of databases, the register that certifies boards, and what schools and families do."""

    def __init__(self, databases: Databases, folder: Path, clock: Callable[[], datetime] = now) -> None:
        self.root = SignKey.generate("root")
        self.folder = folder
        canary.watch(folder)
        keys = folder / "keys"
        (keys / "epochs").mkdir(parents=True, mode=0o700)
        keys.chmod(0o700)
        self.settings = Settings(
            home=folder,
            origin=ORIGIN,
            log=LOG,
            root=self.root.public,
            database_url=databases.main_url,
            keystore_url=databases.keys_url,
            keys=keys,
            blobs=str(folder / "bundles"),
            outbox=folder / "outbox",
            bind="127.0.0.1:0",
            workers=1,
            threads=1,
        )
        log_key = SignKey.generate("journal")
        (keys / "log.key").touch(0o600)
        (keys / "log.key").write_bytes(log_key.seed)
        keystore = KeyStore(databases.keys, keys / "epochs")
        journal = Journal(databases.main, keystore, log_key, f"{LOG}/journal", clock)
        journal.initialise()
        ledger, blobs = Ledger(journal), Blobs(self.settings.blobs)
        self.parts = Parts(
            self.settings, databases.main, keystore, journal, ledger, blobs, log_key, clock, Register(self.root.public)
        )
        self.app = create_app(self.parts)
        self.http: FlaskClient = self.app.test_client()
        self.boards: dict[str, Board] = {}
        self.schools: dict[str, School] = {}
        self.dpos: dict[str, SignKey] = {}

    # The register and the boards.

    def board(self, code: str, *schools: str, policy: str = "toestemming", waiting_days: int = 14) -> Board:
        """Let a board join with its schools, choose a policy and publish keys."""
        board = Board(code, SignKey.generate("identity"))
        self.boards[code] = board
        certificate = BoardCertificate(
            board=code,
            name=f"Bestuur {code}",
            identity=board.identity.public,
            schools=tuple(sorted(schools)),
            epoch=1,
            valid_from=now().replace(microsecond=0) - timedelta(minutes=2),
            valid_until=now().replace(microsecond=0) + YEARS,
            previous=None,
        )
        leaf = print_certificate(certificate, self.root)
        board.certificates.append(leaf)
        expect(self.http.post("/v1/boards", json={"certificate": parse(leaf, limit=LIMIT)}), 201)
        self.choose(code, policy, waiting_days=waiting_days)
        for school in schools:
            self.schools[school] = School(school, board, KeyFile.generate(school))
            self.publish(school, "sign", "seal", "request")
        return board

    def certify(self, code: str, **changed: Any) -> TestResponse:
        """Let the register certify a board anew, changed where said; a new identity is the board's from then on."""
        board = self.boards[code]
        before = board.certificates[-1]
        board.identity = changed.pop("identity", board.identity)
        said = parse_statement(before).statement
        assert isinstance(said, BoardCertificate)
        certificate = replace(
            said, epoch=said.epoch + 1, previous=leaf_hash(before), identity=board.identity.public, **changed
        )
        board.certificates.append(print_certificate(certificate, self.root))
        body = {"certificate": parse(board.certificates[-1], limit=LIMIT)}
        return expect(self.http.post("/v1/boards", json=body), 201)

    def choose(self, code: str, policy: str, *, waiting_days: int = 14, level: int = 1) -> TestResponse:
        """Let a board choose a policy, signed."""
        chosen = {"kind": policy, "waiting_days": waiting_days, "consent_level": level, "explicit_level": level}
        statement = {"v": 1, "board": code, "policy": chosen, "made_at": print_time(now())}
        signature = b64(sign(self.boards[code].identity, "policy", canon(statement)))
        body = {"policy": statement, "signature": signature}
        return expect(self.http.put(f"/v1/boards/{code}/policy", json=body), 200)

    def publish(self, school: str, *kinds: Kind, state: State = "current") -> TestResponse:
        """Let a school's board publish the next statement on its keys of these kinds."""
        leaves = [self.schools[school].state(kind, state) for kind in kinds]
        body = {"statements": [parse(leaf, limit=LIMIT) for leaf in leaves]}
        return expect(self.http.post(f"/v1/schools/{school}/keys", json=body), 201)

    # The FG of a board.

    def dpo(self, of: str, called: str = "fg-1", status: int = 200, **changed: Any) -> SignKey:
        """Let a board state who its FG is; gives that FG's key."""
        key: SignKey = changed.pop("dpo_key", None) or SignKey.generate("dpo")
        by = changed.pop("by", None) or self.boards[of].identity
        statement = {
            "v": 1,
            "board": of,
            "name": called,
            "public": b64(key.public),
            "mail": f"{called}@{of}.test",
            "valid_until": print_time(now() + YEARS),
            "state": "current",
            "made_at": print_time(now()),
        } | changed
        body = {"dpo": statement, "signature": b64(sign(by, "dpo", canon(statement)))}
        expect(self.http.put(f"/v1/boards/{of}/dpos", json=body), status)
        self.dpos[of] = key
        return key

    def examine(
        self, board: str, method: str, path: str, body: object = None, *, name: str = "fg-1", **options: Any
    ) -> TestResponse:
        """Send one signed request of a board's FG."""
        return self._signed(self.dpos[board], method, path, body, staff=name, role="dpo", **options)

    # A school's requests.

    def send(
        self,
        school: str,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str = "internal_supervisor",
        staff: str = "s-1",
        key: str | None = None,
        content_type: str = "application/json",
        **kwargs: Any,
    ) -> TestResponse:
        """Send one signed request of a school."""
        by = self.schools[school].keys.request
        how = {"role": role, "staff": staff, "key": key, "content_type": content_type}
        return self._signed(by, method, path, body, **how, **kwargs)

    def _signed(
        self,
        by: SignKey,
        method: str,
        path: str,
        body: object,
        *,
        role: str,
        staff: str,
        key: str | None = None,
        content_type: str = "application/json",
        **kwargs: Any,
    ) -> TestResponse:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Overdracht-Staff": f'"{staff}";role={role}'}
        if method != "GET":
            headers["Idempotency-Key"] = f'"{key or secrets.token_urlsafe(18)}"'
        if data:
            headers["Content-Type"] = content_type
            headers["Content-Digest"] = content_digest(sha256(data).digest())
        signed = sign_request(
            method,
            ORIGIN + path,
            headers,
            kid=by.kid,
            sign=by.sign_bare,
            now=now(),
            body=bool(data),
        )
        return self.http.open(path, method=method, data=data or None, headers=signed, base_url=ORIGIN, **kwargs)

    def post(self, school: str, path: str, body: object, status: int = 200, **options: Any) -> dict[str, Any]:
        """Send a signed POST and expect a status; gives the answer's JSON."""
        answer: dict[str, Any] = expect(self.send(school, "POST", path, body, **options), status).get_json()
        return answer

    def confirm(self, school: str, proposal: str, status: int = 200, **options: Any) -> dict[str, Any]:
        """Let a second person of a school confirm what a first one proposed."""
        who = {"staff": "s-2", "role": "care_coordinator"} | options
        return self.post(school, f"/v1/proposals/{proposal}/confirm", {}, status, **who)

    def show(self, school: str, transfer: str) -> dict[str, Any]:
        """Let a school look at a transfer."""
        answer: dict[str, Any] = expect(self.send(school, "GET", f"/v1/transfers/{transfer}"), 200).get_json()
        return answer

    # The story's steps.

    def pupil(
        self, school: str, *, number: str | None = None, born: date = date(2014, 5, 6), holders: int = 2, **more: Any
    ) -> "Child":
        """Register a pupil with so many guardians."""
        named = [
            {"name": f"{canary.NAME} ouder {place}", "mail": f"{canary.MAIL}{place}@gezin.test", "role": "guardian"}
            for place in range(1, holders + 1)
        ]
        evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
        body = {
            "number": number or f"L{secrets.randbelow(10**6):06}",
            "first_name": canary.NAME,
            "birth_date": born.isoformat(),
            "custody": {"holders": named, "evidence": evidence, **more},
        }
        answer = self.post(school, "/v1/pupils", body, 201)
        return Child(answer["pupil"], [person["person"] for person in answer["persons"]])

    def transfer(
        self,
        child: "Child",
        sender: str,
        receiver: str,
        *,
        sections: Sequence[str] = ("okr", "opp", "lvs"),
        route: str = "POVO",
        purpose: str = "placement",
        applied: bool = True,
    ) -> str:
        """Open a transfer, and let the receiver confirm the application."""
        body = {
            "pupil": child.pupil,
            "receiver": receiver,
            "route": route,
            "purpose": purpose,
            "sections": list(sections),
        }
        transfer: str = self.post(sender, "/v1/transfers", body, 201)["transfer"]
        if applied:
            self.post(receiver, f"/v1/transfers/{transfer}/application", {})
        return transfer

    def invite(self, school: str, transfer: str, person: str) -> str:
        """Invite somebody, and take the token out of the outbox as that person would."""
        self.post(school, f"/v1/transfers/{transfer}/invitations", {"person": person}, 201)
        return self.tokens()[-1]

    def tokens(self) -> list[str]:
        """Give the tokens in the outbox, oldest first."""
        files = sorted(self.settings.outbox.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        bodies = [json.loads(path.read_bytes())["body"] for path in files]
        return [line for body in bodies for line in body.splitlines() if len(line) == 66 and "." in line]

    def family(self, path: str, body: Mapping[str, Any], status: int = 200, key: str | None = None) -> dict[str, Any]:
        """Let a visitor with a token say something."""
        headers = {"Idempotency-Key": f'"{key or secrets.token_urlsafe(18)}"'}
        response = self.http.post(f"/v1/family/{path}", json=body, headers=headers, base_url=ORIGIN)
        answer: dict[str, Any] = expect(response, status).get_json()
        return answer

    def answer(self, token: str, status: int = 200, **answers: str) -> dict[str, Any]:
        """Let a visitor read the question and answer it: `okr="yes", reports="no"`."""
        asked = self.family("question", {"token": token})
        body = {"token": token, "notice": asked["notice"]["sha256"], "answers": answers}
        return self.family("answers", body, status)

    def seal(
        self,
        transfer: str,
        sender: str,
        receiver: str,
        contents: Mapping[str, Content] | None = None,
        *,
        supersedes: bytes | None = None,
        versions: Mapping[str, bytes] | None = None,
        **changed: Any,
    ) -> tuple[bytes, Sealed]:
        """Seal a bundle for a transfer; gives an upload's bytes."""
        out = io.BytesIO()
        to = self.schools[receiver]
        made_at = now().replace(microsecond=0)
        options: dict[str, Any] = {
            "sender": self.schools[sender].keys,
            "recipient": to.keys.public,
            "epoch": len(to.leaves["seal"]),
            "sections": tuple(map(str, Section)),
            "contents": dict.fromkeys(map(str, Section), Content(None)) | dict(contents or {"okr": CANARY}),
            "made_at": made_at,
            "expires_at": made_at + timedelta(days=30),
            "transfer": transfer,
            "purpose": "placement",
            "route": "POVO",
            "supersedes": supersedes,
            "versions": versions or {},
        }
        sealed = seal(out, **(options | changed))
        shares = print_shares(sealed.shares)
        return len(shares).to_bytes(4, "big") + shares + out.getvalue(), sealed

    def upload(self, school: str, transfer: str, data: bytes, status: int = 201, **options: Any) -> dict[str, Any]:
        """Send an upload."""
        path = f"/v1/transfers/{transfer}/bundles"
        return self.post(school, path, data, status, content_type=UPLOAD, **options)

    def release(self, school: str, transfer: str, *sections: str, **options: Any) -> TestResponse:
        """Ask for sections; gives the whole response."""
        return self.send(school, "POST", f"/v1/transfers/{transfer}/release", {"sections": list(sections)}, **options)


@dataclass(frozen=True)
class Child:
    """A pupil's record and the persons who may speak, in the order they were given."""

    pupil: str
    persons: list[str]


def expect(response: TestResponse, status: int) -> TestResponse:
    """Give the response back when it has this status."""
    assert response.status_code == status, f"{response.status_code} instead of {status}: {response.get_data()!r}"
    return response


def document(name: str, data: bytes, media_type: str = "application/pdf") -> Document:
    """Make a document for a section."""
    return Document(name, media_type, len(data), lambda: io.BytesIO(data))


def head_of(response: TestResponse) -> tuple[dict[str, Any], bytes]:
    """Split a release into its head and its container."""
    data = response.get_data()
    size = int.from_bytes(data[:4], "big")
    head: dict[str, Any] = json.loads(data[4 : 4 + size])
    return head, data[4 + size :]


def bundle_bytes(identifier: str) -> bytes:
    """Turn a bundle's id into the bytes that a later version names."""
    return unb64(identifier, 16)
