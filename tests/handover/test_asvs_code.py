"""What the code never does, read from the code itself: OWASP ASVS 5.0.0, the rows that `tests/asvs.csv` points here."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx
import pytest

from handover import client

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("crypto", "consent", "handover", "migrations")


@cache
def modules() -> dict[str, ast.Module]:
    """Parse every module of the product once."""
    files = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in files}


def imported(tree: ast.Module) -> set[str]:
    """Give the dotted names that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def importers(*wanted: str) -> set[str]:
    """Name the modules of the product that import one of these, or something inside it."""
    return {
        name
        for name, tree in modules().items()
        if any(found == one or found.startswith(f"{one}.") for found in imported(tree) for one in wanted)
    }


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Give every call with its file and the name that is called: `eval`, `os.system`, `session.execute`."""
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield name, ast.unparse(node.func), node


def test_no_data_is_ever_run_as_code() -> None:
    """V1.3.2, V1.5.2"""
    forbidden = {"eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec"}
    assert [(where, called) for where, called, _ in calls() if called in forbidden] == []
    assert importers("pickle", "marshal", "shelve", "dill", "yaml", "jsonpickle", "xmlrpc") == set()


def test_no_command_goes_through_a_shell_and_only_demo_and_backup_start_a_program() -> None:
    """V1.2.5"""
    assert importers("subprocess", "pty", "asyncio.subprocess") == {"handover/copying.py", "handover/demo/stage.py"}
    shells = {"os.system", "os.popen", "os.spawnl", "os.spawnv", "subprocess.getoutput", "subprocess.getstatusoutput"}
    assert [(where, called) for where, called, _ in calls() if called in shells] == []
    assert [where for where, _, call in calls() if any(word.arg == "shell" for word in call.keywords)] == []


def _constant(value: ast.expr | None, names: dict[str, ast.expr]) -> bool:
    if isinstance(value, ast.IfExp):
        return _constant(value.body, names) and _constant(value.orelse, names)
    if isinstance(value, ast.JoinedStr):
        return all(_constant(part, names) for part in value.values)
    if isinstance(value, ast.FormattedValue):
        return _constant(value.value, names)
    if isinstance(value, ast.Name):
        return value.id in names and _constant(names[value.id], {})
    return isinstance(value, ast.Constant)


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Give what each name of a module stands for, where it is assigned once or always a constant."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assigned.setdefault(ast.unparse(target), []).append(node.value)
    return {name: values[0] for name, values in assigned.items() if all(_constant(value, {}) for value in values)}


def test_no_statement_of_sql_is_made_from_a_value() -> None:
    """V1.2.4: every other statement is SQLAlchemy's own, with bound parameters."""
    from_sqlalchemy = importers("sqlalchemy.text")
    found = []
    for where, called, call in calls():
        raw = called.endswith("exec_driver_sql") or (called in {"text", "sa.text"} and where in from_sqlalchemy)
        if raw and where.split("/")[0] != "migrations" and not _constant(call.args[0], _constants(modules()[where])):
            found.append((where, call.lineno))
    assert from_sqlalchemy
    assert found == []


def test_nothing_unguessable_comes_from_a_guessable_source() -> None:
    """V11.5.1, V6.4.1, V6.5.3, V7.2.3"""
    assert importers("random", "numpy.random") == set()
    assert [where for where, called, _ in calls() if called.rpartition(".")[2] in {"uuid1", "uuid3", "uuid5"}] == []
    assert "handover/invitations.py" in importers("secrets")


def test_only_sound_hashes_and_ciphers_are_used() -> None:
    """V11.2.3, V11.3.1, V11.3.2, V11.4.1, V11.4.3"""
    attributes = (node for tree in modules().values() for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    hashes = {node.attr for node in attributes if ast.unparse(node.value) == "hashlib"}
    hashes |= {name for tree in modules().values() for name in imported(tree) if name.startswith("hashlib.")}
    named = {ast.literal_eval(call.args[1]) for _, called, call in calls() if called == "hashlib.file_digest"}
    known = {"sha256", "sha512", "shake_256"}
    assert {name.removeprefix("hashlib.") for name in hashes} | named <= known | {"_Hash", "file_digest"}
    parts = {name for tree in modules().values() for name in imported(tree) if name.startswith("cryptography.hazmat")}
    words = {word.lower() for part in parts for word in part.replace(".", " ").replace("_", " ").split()}
    assert words & {"aesgcm", "hpke", "ed25519"}
    assert not words & {"modes", "algorithms", "padding", "rsa", "dsa", "md5", "sha1", "cbc", "ecb", "decrepit"}
    assert importers("Crypto", "Cryptodome", "rsa", "jose", "jwt") == set()


def test_the_service_calls_nobody() -> None:
    """V1.3.6, V13.2.4, V13.2.5: only the school's side opens connections, and to the one origin it was given."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (sealed,) = [contract for contract in contracts if contract["id"] == "sealed"]
    service = {f"{module.replace('.', '/')}.py" for module in sealed["source_modules"]}
    callers = importers("httpx", "requests", "urllib.request", "http.client", "urllib3", "smtplib", "ftplib")
    assert "handover/release.py" in service
    assert {name for name in callers if name in service or name.startswith(("handover/api/", "consent/"))} == set()
    assert "handover/client.py" in callers


def test_the_client_follows_no_redirect_and_checks_certificates() -> None:
    """V12.3.2, V15.3.2"""
    made = [call for where, called, call in calls() if called == "httpx.Client"]
    assert made
    for call in made:
        said = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert said["follow_redirects"] == "False"
        assert "verify" not in said
    assert httpx.create_ssl_context().check_hostname


@pytest.mark.parametrize("word", ["tests", ".git", "demo.key", "requirements-test"])
def test_the_container_takes_over_only_what_runs(word: str) -> None:
    """V13.4.1, V15.2.3"""
    lines = (ROOT / "deploy" / "Containerfile").read_text("utf-8").splitlines()
    copied = [line for line in lines if line.startswith(("COPY", "ADD"))]
    assert copied
    assert not [line for line in copied if word in line or line.split()[1] in {".", "*"}]


def test_the_clients_origin_is_https_or_this_machine() -> None:
    """V12.2.1"""
    with pytest.raises(client.SettingsRefused):
        client.PublicClient("http://overdracht.test")
