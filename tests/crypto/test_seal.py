"""Sealing and opening together: what goes in comes out, and what fails leaves nothing."""

import json
import os
import stat
import tracemalloc
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.bundle import INDEX_LIMIT, ITEMS_LIMIT, PIECE, Reader
from crypto.encoding import INTEGER_MAX
from crypto.errors import (
    BundleMalformed,
    BundleMisaddressed,
    DocumentChanged,
    KeyRefused,
    TargetExists,
)
from crypto.files import new_file, write_private
from crypto.index import INDEX_DEPTH
from crypto.keyfile import PublicFile
from crypto.seal import Content, Document, Sealed, seal
from crypto.unseal import NAME_LIMIT, Opened, safe_name, unseal
from tests.crypto.samples import OTHER, RECIPIENT, SENDER

SAFE_NAMES = json.loads((Path(__file__).parents[1] / "vectors" / "bundle-names.json").read_text("utf-8"))
NAMES = ("okr", "opp", "lvs", "attendance", "support", "reports", "views", "handover_notes")
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
LAST = NOW + timedelta(days=90)


def document(data: bytes, name: str = "verslag.pdf", *, held: bool = False) -> Document:
    return Document(name, "application/pdf", len(data), lambda: data if held else BytesIO(data))


def sealed(contents: Mapping[str, Content], **choices: Any) -> tuple[Sealed, bytes]:
    out = BytesIO()
    fields = {"sections": NAMES, "made_at": NOW, "expires_at": LAST, "recipient": RECIPIENT.public, **choices}
    return seal(out, sender=SENDER, contents=contents, **fields), out.getvalue()


def opened(result: tuple[Sealed, bytes], out: Path, **choices: Any) -> Opened:
    return unseal(BytesIO(result[1]), key=RECIPIENT, sender=SENDER.public, shares=result[0].shares, out=out, **choices)


SIZES = [0, 1, 7, 8, 16_375, 16_376, 16_377, PIECE - 9, PIECE - 8, PIECE - 7, PIECE, 2 * PIECE - 8, 3 * PIECE + 1]


@pytest.mark.parametrize("held", [False, True], ids=["read", "in-memory"])
def test_documents_of_every_awkward_size_come_out_as_they_went_in(held: bool, tmp_path: Path) -> None:
    data = [os.urandom(size) for size in SIZES]
    result = sealed({"reports": Content({"n": 1}, [document(each, held=held) for each in data])})
    section = opened(result, tmp_path / "open").sections["reports"]
    assert section.index == {"n": 1}
    assert [file.path.read_bytes() for file in section.files] == data
    assert [file.sha256 for file in section.files] == [sha256(each).digest() for each in data]
    assert [file.size for file in section.files] == SIZES


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=15,
)
documents = st.lists(
    st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.binary(max_size=300)), max_size=3
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.tuples(json_values, documents), max_size=4))
def test_any_content_comes_out_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, tuple[Any, list[tuple[str, bytes]]]]
) -> None:
    given_in = {
        name: Content(index, [document(data, called) for called, data in listed])
        for name, (index, listed) in contents.items()
    }
    result = sealed(given_in)
    out = opened(result, tmp_path_factory.mktemp("any") / "open")
    assert tuple(out.sections) == NAMES
    for name, section in out.sections.items():
        index, listed = contents.get(name, (None, []))
        assert section.index == index
        assert [(file.name, file.path.read_bytes()) for file in section.files] == listed


def test_every_section_is_there_and_an_empty_one_looks_like_any_other() -> None:
    result, data = sealed({"okr": Content({"groep": 8})})
    lengths = {name: len(b"".join(pieces)) for name, pieces in Reader(BytesIO(data)).sections()}
    assert tuple(lengths) == NAMES
    assert len(set(lengths.values())) == 1
    assert set(result.shares.shares) == set(NAMES) == set(result.core.versions)


def test_the_core_says_what_it_was_told(tmp_path: Path) -> None:
    versions = {"okr": bytes(range(16))}
    zone = timezone(timedelta(hours=2))
    result = sealed(
        {"okr": Content(1)},
        made_at=NOW.astimezone(zone).replace(microsecond=999_999),
        epoch=4,
        transfer="t-1",
        purpose="placement",
        route="POVO",
        versions=versions,
        supersedes=bytes(16),
    )
    core = opened(result, tmp_path / "open").core
    assert core == result[0].core
    assert (core.transfer, core.purpose, core.route, core.epoch) == ("t-1", "placement", "POVO", 4)
    assert (core.sender.school, core.sender.kid) == ("99AB00", SENDER.sign.kid)
    assert (core.recipient.school, core.recipient.kid) == ("99CD01", RECIPIENT.seal.kid)
    assert (core.made_at, core.expires_at, core.supersedes) == (NOW, LAST, bytes(16))
    assert core.versions["okr"] == versions["okr"]
    assert len(set(core.versions.values())) == 8


def test_two_bundles_of_one_dossier_have_nothing_in_common_b5() -> None:
    (first, one), (second, other) = (sealed({"okr": Content({"groep": 8})}) for _ in range(2))
    assert first.core.bundle != second.core.bundle
    assert not set(first.shares.shares.values()) & set(second.shares.shares.values())
    blocks = []
    for data in (one, other):
        ciphertexts = [b"".join(pieces)[-16_472:] for _, pieces in Reader(BytesIO(data)).sections()]
        blocks.append({each[at : at + 8] for each in ciphertexts for at in range(0, 16_472, 8)})
        assert len(blocks[-1]) == 8 * 16_472 // 8
    assert not blocks[0] & blocks[1]


def test_a_given_hash_stands_in_the_index_and_a_bundle_is_the_same_size(tmp_path: Path) -> None:
    data = b"inhoud"
    known = Document("a", "x/y", len(data), lambda: BytesIO(data), sha256(data).digest())
    unknown = Document("a", "x/y", len(data), lambda: BytesIO(data))
    results = [sealed({"okr": Content(None, [each])}) for each in (known, unknown)]
    files = [opened(each, tmp_path / str(at)).sections["okr"].files[0] for at, each in enumerate(results)]
    assert files[0].sha256 == files[1].sha256 == sha256(data).digest()
    assert len(results[0][1]) == len(results[1][1])


@pytest.mark.parametrize(("said", "why"), [(5, "longer"), (7, "shorter"), (0, "longer"), (PIECE, "shorter")])
def test_a_document_of_another_size_than_it_was_said_to_be_is_refused(said: int, why: str) -> None:
    changed = Document("a", "x/y", said, lambda: BytesIO(b"inhoud"))
    with pytest.raises(DocumentChanged, match=why) as caught:
        sealed({"okr": Content(None, [changed])})
    assert caught.value.reason == "DOCUMENT_CHANGED"


@pytest.mark.parametrize("said", [0, 5, 7, PIECE])
def test_a_document_in_memory_of_another_size_than_it_was_said_to_be_is_refused(said: int) -> None:
    with pytest.raises(DocumentChanged, match="another size"):
        sealed({"okr": Content(None, [Document("a", "x/y", said, lambda: b"inhoud")])})


class Slow(BytesIO):
    """A source that fills a byte at a time, and says when it was closed."""

    def readinto(self, buffer: Any, /) -> int:
        return super().readinto(memoryview(buffer)[:1])


def test_a_source_that_gives_little_at_a_time_is_read_whole_and_closed(tmp_path: Path) -> None:
    source = Slow(b"inhoud")
    result = sealed({"okr": Content(None, [Document("a", "x/y", 6, lambda: source)])})
    assert source.closed
    assert opened(result, tmp_path / "open").sections["okr"].files[0].path.read_bytes() == b"inhoud"


@pytest.mark.parametrize(
    "choices",
    [
        {"expires_at": NOW},
        {"expires_at": LAST + timedelta(seconds=1)},
        {"made_at": NOW.replace(tzinfo=None), "expires_at": LAST.replace(tzinfo=None)},
        {"sections": ("okr", "okr")},
        {"sections": ()},
        {"sections": ("OKR",)},
        {"epoch": -1},
        {"epoch": True},
        {"transfer": "a/b"},
        {"purpose": "é"},
        {"supersedes": bytes(3)},
        {"versions": {"okr": bytes(3)}},
        {"recipient": PublicFile("99cd01", RECIPIENT.seal.public, RECIPIENT.sign.public, RECIPIENT.request.public)},
    ],
)
def test_what_no_reader_would_take_is_not_sealed(choices: dict[str, Any]) -> None:
    with pytest.raises(BundleMalformed, match=r"^the core: \w"):
        sealed({}, **choices)


def test_content_of_an_unknown_section_is_not_dropped_silently() -> None:
    with pytest.raises(BundleMalformed, match="isn't in the list"):
        sealed({"grades": Content(1)})


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "content",
    [
        Content(float("nan")),
        Content(1e300),
        Content({9: "by number", 10: "before 9 by name"}),
        Content("\ud800"),
        Content(nested(INDEX_DEPTH)),
        Content(nested(100_000)),
        Content(None, [document(b"", "\ud800.pdf")]),
        Content(None, [Document("a", "\udfff", 0, BytesIO)]),
        Content(None, [Document("a", "x/y", 0, BytesIO, bytes(31))]),
        Content(None, [Document("a", "x/y", 0, BytesIO, b"")]),
        Content(None, [Document("a", "x/y", -1, BytesIO)]),
    ],
    ids=["nan", "number", "names", "text", "deep", "very-deep", "name", "type", "hash", "no-hash", "size"],
)
def test_an_index_that_no_reader_would_take_is_not_sealed(content: Content) -> None:
    with pytest.raises(BundleMalformed, match=r"^the index of okr: \w"):
        sealed({"okr": content})


def test_content_as_deep_as_an_index_allows_comes_out(tmp_path: Path) -> None:
    content = nested(INDEX_DEPTH - 1)
    assert opened(sealed({"okr": Content(content)}), tmp_path / "open").sections["okr"].index == content


def test_a_recipient_with_a_point_of_small_order_is_refused_b6() -> None:
    public = RECIPIENT.seal.public[:1184] + bytes(32)
    weak = PublicFile("99CD01", public, RECIPIENT.sign.public, RECIPIENT.request.public)
    with pytest.raises(KeyRefused, match="small order"):
        sealed({}, recipient=weak)


def test_a_section_holds_1023_documents_and_not_one_more_d9(tmp_path: Path) -> None:
    many = [document(b"", str(number)) for number in range(ITEMS_LIMIT - 1)]
    result = sealed({"a": Content(None, many)}, sections=("a",))
    assert len(opened(result, tmp_path / "open").sections["a"].files) == 1023
    with pytest.raises(BundleMalformed, match="more documents"):
        sealed({"a": Content(None, [*many, document(b"")])}, sections=("a",))


def test_an_index_longer_than_its_limit_is_refused_d9(tmp_path: Path) -> None:
    frame = len(b'{"content":"","documents":[]}') + 8
    assert opened(sealed({"okr": Content("x" * (INDEX_LIMIT - frame))}), tmp_path / "open").sections["okr"].index
    with pytest.raises(BundleMalformed, match="index of okr is too long"):
        sealed({"okr": Content("x" * (INDEX_LIMIT - frame + 1))})


def test_progress_counts_the_bytes_that_were_done(tmp_path: Path) -> None:
    told: list[int] = []
    contents = {"okr": Content(None, [document(bytes(3 * PIECE))])}
    result = sealed(contents, progress=told.append)
    assert told == sorted(told)
    assert 3 * PIECE < told[-1] < 3 * PIECE + 2_000
    checked: list[int] = []
    opened(result, tmp_path / "open", progress=checked.append)
    assert checked == sorted(checked)
    assert checked[-1] > 6 * PIECE


def test_memory_does_not_grow_with_a_document(tmp_path: Path) -> None:
    size = 40 << 20
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(size)
    content = {"a": Content(None, [Document("big", "x/y", size, lambda: big.open("rb", buffering=0), bytes(32))])}
    tracemalloc.start()
    try:
        with new_file(tmp_path / "bundle") as out:
            result = seal(
                out,
                sender=SENDER,
                recipient=RECIPIENT.public,
                sections=("a",),
                contents=content,
                made_at=NOW,
                expires_at=LAST,
            )
        with (tmp_path / "bundle").open("rb") as stream:
            unseal(stream, key=RECIPIENT, sender=SENDER.public, shares=result.shares, out=tmp_path / "open")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert (tmp_path / "open" / "a-1-big").stat().st_size == size


# On disk.


def test_what_is_opened_only_its_owner_can_read(tmp_path: Path) -> None:
    result = sealed({"okr": Content(None, [document(b"x")])})
    old = os.umask(0)
    try:
        out = opened(result, tmp_path / "open")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o700
    assert stat.S_IMODE(out.sections["okr"].files[0].path.stat().st_mode) == 0o600


def test_files_are_named_by_section_and_number_so_that_no_two_names_clash_d3_d8(tmp_path: Path) -> None:
    names = ["../e.pdf", "A.pdf", "a.pdf", "a.pdf", "/etc/passwd", "é.pdf", "e\u0301.pdf", "x" * 300 + ".pdf", ""]
    result = sealed({"reports": Content(None, [document(b"%d" % at, name) for at, name in enumerate(names)])})
    files = opened(result, tmp_path / "open").sections["reports"].files
    assert [file.name for file in files] == names
    found = sorted(os.listdir(tmp_path / "open"))
    assert found == sorted(file.path.name for file in files)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in found}) == len(names)
    assert all(name.startswith(f"reports-{at}-") for at, name in enumerate((file.path.name for file in files), 1))
    assert os.listdir(tmp_path) == ["open"]


def test_what_the_caller_adds_lands_with_the_rest(tmp_path: Path) -> None:
    def finish(folder: Path, found: Opened) -> None:
        assert not (tmp_path / "open").exists()
        write_private(folder / "dossier.json", json.dumps(found.sections["okr"].index).encode())

    opened(sealed({"okr": Content({"groep": 8})}), tmp_path / "open", finish=finish)
    assert (tmp_path / "open" / "dossier.json").read_bytes() == b'{"groep": 8}'


def _raise(*_: object) -> None:
    raise OSError("no space left")


@pytest.mark.parametrize("hook", ["finish", "progress"])
def test_a_failure_on_the_way_leaves_nothing(hook: str, tmp_path: Path) -> None:
    result = sealed({"okr": Content(None, [document(b"x")])})
    with pytest.raises(OSError, match="no space"):
        opened(result, tmp_path / "open", **{hook: _raise})
    assert os.listdir(tmp_path) == []


def test_a_folder_filled_in_the_meantime_is_kept_and_ours_is_gone(tmp_path: Path) -> None:
    def meanwhile(*_: object) -> None:
        (tmp_path / "open").mkdir()
        (tmp_path / "open" / "theirs").write_text("kept")

    with pytest.raises(OSError, match="not empty"):
        opened(sealed({}), tmp_path / "open", finish=meanwhile)
    assert os.listdir(tmp_path) == ["open"]
    assert os.listdir(tmp_path / "open") == ["theirs"]


def test_another_school_can_not_open_what_was_sealed(tmp_path: Path) -> None:
    result, data = sealed({"okr": Content(1)})
    with pytest.raises(BundleMisaddressed):
        unseal(BytesIO(data), key=OTHER, sender=SENDER.public, shares=result.shares, out=tmp_path / "open")


def test_a_private_file_is_private_from_its_first_moment_and_lands_whole(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with new_file(tmp_path / "key") as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
            file.write(b"geheim")
            assert os.listdir(tmp_path) == [".key.partial"]
    finally:
        os.umask(old)
    assert (tmp_path / "key").read_bytes() == b"geheim"
    assert os.listdir(tmp_path) == ["key"]


def test_a_private_file_overwrites_nothing_and_a_failure_leaves_none(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"eerste")
    with pytest.raises(TargetExists, match="already"):
        write_private(tmp_path / "key", b"tweede")
    assert (tmp_path / "key").read_bytes() == b"eerste"
    (tmp_path / ".other.partial").touch()
    with pytest.raises(TargetExists, match="interrupted"):
        write_private(tmp_path / "other", b"x")
    with pytest.raises(ZeroDivisionError), new_file(tmp_path / "third"):
        raise ZeroDivisionError
    assert sorted(os.listdir(tmp_path)) == [".other.partial", "key"]


@pytest.mark.parametrize(("name", "safe"), SAFE_NAMES)
def test_a_name_is_made_safe_as_in_the_vectors_d2_d8(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text())
def test_any_name_is_made_safe_and_stays_so_d2_d8(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= NAME_LIMIT + 1
    assert not set(safe) & set('/\\:*?"<>|')
    assert all(unicodedata.category(letter) not in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") for letter in safe)
    assert safe == safe.strip(" .")
    assert safe_name(safe) == safe


@pytest.mark.parametrize(("name", "length"), [("x" * 300 + ".pdf", 80), ("é" * 99, 80), ("x" * 79 + "é", 79)])
def test_a_long_name_is_cut_and_keeps_its_extension(name: str, length: int) -> None:
    safe = safe_name(name)
    assert len(safe.encode()) == length
    assert safe.endswith(".pdf") == name.endswith(".pdf")
