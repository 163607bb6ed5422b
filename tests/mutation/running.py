"""Runs the tests of one module against its mutants, each in a process of its own.

The tests are collected and run once. Each mutant of a function is then a fork of that process in which the function has
other code, and runs only the tests that came by its line until one fails: first those that noticed the mutants before
it, then those that go where few go, then the fastest. Where the run left threads behind, which a fork loses, the forks
are of the process as it was before the run. What is outside of functions, and what ran while the tests were imported,
has done its work by then: such a mutant gets a process that imports everything again.
"""

import ast
import gc
import importlib.abc
import importlib.util
import os
import pickle
import resource
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import _lru_cache_wrapper, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.mutation.mutants import Mutant, mutants

CPU_SECONDS, SECONDS = 20, 180
"""How long one test may run, by its own work and by the clock, where nothing is known of it."""

ENOUGH = 120
"""How many seconds of tests a mutant has to survive, by the time that they take without it."""

NEAR = 4
"""On how many lines, from the mutant's own on, a test is looked for that does what few others do."""

QUICK = 1.5
"""How many seconds a test may take that is tried first, since it noticed a mutant before."""

WARM = 2
"""How many tests of each kind, by their fixtures, are run beforehand where that leaves no thread."""

MEMORY = 3 << 30
KILLED, SURVIVED, TIMEOUT, UNSEEN = "killed", "survived", "timeout", "unseen"
_HOUSE = ("consent", "crypto", "handover", "migrations", "tests")
_OPTIONS = [
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:faulthandler",
    "--assert=plain",
    "--tb=native",
    "-k",
    "not postgresql",
]


def results(path: str, tests: Sequence[str], wanted: Callable[[Mutant], bool]) -> Iterator[tuple[Mutant, str, str]]:
    """Give each mutant of a module with what became of it, and the test that noticed."""
    made = [mutant for mutant in mutants(Path(path).read_text("utf-8")) if wanted(mutant)]
    run = _Run(path, [mutant for mutant in made if mutant.function])
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        run.to = os.fdopen(writer, "w", buffering=1)
        _silence()
        code: object
        try:
            code = pytest.main([*_OPTIONS, *tests], plugins=[run])
        except BaseException as raised:
            code = repr(raised)
        if code:
            print("!", code, file=run.to)
        os._exit(0)
    os.close(writer)
    order: list[str] = []
    outside = [mutant for mutant in made if not mutant.function]
    with os.fdopen(reader) as lines:
        for line in lines:
            if line.startswith("!"):
                raise SystemExit(f"the tests of {path} fail as they are: {line}")
            at, what, test = line.rstrip("\n").split(" ", 2)
            if at == "=":
                order = test.split("\t")
            elif what == UNSEEN:
                outside.append(run.made[int(at)])
            else:
                yield run.made[int(at)], what, test
    _, status = os.wait()
    if status:
        raise SystemExit(f"the tests of {path} were stopped by signal {os.WTERMSIG(status)}")
    if outside:
        same = Mutant(0, None, "", "", ast.parse(Path(path).read_text("utf-8")))
        if (told := _file_by_file(path, tests, order, same))[0] != SURVIVED:
            raise SystemExit(f"the tests of {path} fail as they are: {told}")
    for mutant in outside:
        yield mutant, *_file_by_file(path, tests, order, mutant)


class _Steady:
    """A pytest plugin: the same examples each time, and none made smaller."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}

    @pytest.hookimpl
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        known = self.took.get(item.nodeid)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS if known is None else 3 + 3 * known)
        signal.alarm(SECONDS if known is None else 60 + int(60 * known))

    @pytest.hookimpl
    def pytest_sessionstart(self) -> None:
        from hypothesis import Phase, settings  # not sooner, or pytest complains

        settings.register_profile("mutants", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutants")


class _Run(_Steady):
    """A pytest plugin: all tests once, and then those that matter once for each mutant."""

    def __init__(self, path: str, made: list[Mutant]) -> None:
        super().__init__()
        self.path = path
        self.made = made
        self.to: Any = None
        self.caches: list[Any] = []
        self.failed: str | None = None
        self.noticed: dict[str, int] = {}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = f"{report.nodeid} ({report.when})"

    @pytest.hookimpl
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        seen = self._learnt(session.items)
        if self.failed:
            print("!", self.failed, file=self.to)
            return True
        by_time = sorted(session.items, key=lambda item: self.took[item.nodeid])
        print("= =", "\t".join(item.nodeid for item in by_time), file=self.to)
        self.caches = [each for each in gc.get_objects() if isinstance(each, _lru_cache_wrapper)]
        for at, mutant in enumerate(self.made):
            items = self._in_order(mutant.line, seen, by_time)
            told = _forked(partial(self._against, mutant, items)) if items else (UNSEEN, "-")
            test = told[1].rpartition(" (")[0]
            if told[0] == KILLED and self.took.get(test, QUICK) < QUICK:
                self.noticed[test] = -at
            print(at, *told, file=self.to)
        return True

    def _in_order(self, line: int, seen: dict[int, list[str]], by_time: list[pytest.Item]) -> list[pytest.Item]:
        """Choose the tests for a mutant: the latest that noticed one, then who goes where few do, then the fastest."""
        here = set(seen.get(line, ()))
        ways = [tests for at in range(line, line + NEAR) if here & set(tests := seen.get(at, ()))]
        rare = {test: min(len(tests) for tests in ways if test in tests) for test in here}
        items = [item for item in by_time if item.nodeid in here]
        items.sort(key=lambda item: (self.noticed.get(item.nodeid, 0), rare[item.nodeid]))
        return _enough(items, self.took)

    def _learnt(self, items: list[pytest.Item]) -> dict[int, list[str]]:
        """Run all tests in a fork, tell which of them came by each line, and go on where a fork loses nothing."""
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.close(reader)
            self.took, seen = self._once(items)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            with os.fdopen(writer, "wb") as told:
                if len(os.listdir("/proc/self/task")) == 1:
                    return seen
                pickle.dump((self.took, seen, self.failed), told)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        if not said:  # the child went on, and is done
            os._exit(os.waitstatus_to_exitcode(status))
        learnt: dict[int, list[str]]
        self.took, learnt, self.failed = pickle.loads(said)
        self._warm(sorted(items, key=lambda item: self.took[item.nodeid]))
        return learnt

    def _warm(self, by_time: list[pytest.Item]) -> None:
        """Run the quickest tests of each kind that leave no thread behind: no fork has to do what is done once."""
        kinds: dict[tuple[str, ...], list[pytest.Item]] = {}
        for item in by_time:
            assert isinstance(item, pytest.Function)
            kinds.setdefault(tuple(item.fixturenames), []).append(item)
        quickest = [item for alike in kinds.values() for item in alike[:WARM]]
        for item in sorted(quickest, key=lambda item: self.took[item.nodeid]):
            if _forked(partial(self._alone, item, by_time[-1]))[0] == SURVIVED:
                self._alone(item, by_time[-1], lambda _: None)

    def _alone(self, item: pytest.Item, following: pytest.Item, tell: Callable[[str], None]) -> None:
        """Run a test, and tell of threads that are left."""
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        if len(os.listdir("/proc/self/task")) > 1:
            tell("threads")

    def _once(self, items: list[pytest.Item]) -> tuple[dict[str, float], dict[int, list[str]]]:
        """Run all tests, and tell how long each took and which of them came by each line."""
        took: dict[str, float] = {}
        traced = coverage.Coverage(data_file=None, include=[self.path], config_file=False)
        traced.start()
        for at, item in enumerate(items):
            begun = time.process_time()
            traced.switch_context(item.nodeid)
            following = items[(at + 1) % len(items)]  # what lasts for the whole session goes on
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            took[item.nodeid] = time.process_time() - begun
        traced.stop()
        return took, traced.get_data().contexts_by_lineno(str(Path(self.path).resolve()))

    def _against(self, mutant: Mutant, items: list[pytest.Item], tell: Callable[[str], None]) -> None:
        assert mutant.function
        module = sys.modules[self.path.removesuffix(".py").replace("/", ".")]
        code = mutant.compiled(str(Path(self.path).resolve()))
        _function(module, mutant.function).__code__ = _code(code, mutant.function)
        for cached in self.caches:
            if cached.__module__.split(".")[0] in _HOUSE:
                cached.cache_clear()
        for item, following in zip(items, [*items[1:], items[0]], strict=True):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                tell(self.failed)
                return


class _Anew(_Steady, importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a module as its mutant, stops at the first failure, and keeps the order of the tests."""

    def __init__(self, path: str, order: list[str], mutant: Mutant, tell: Callable[[str], None]) -> None:
        super().__init__()
        self.path = path
        self.order = {test: at for at, test in enumerate(order)}
        self.mutant = mutant
        self.tell = tell

    def find_spec(self, name: str, *_: object) -> Any:
        if name == self.path.removesuffix(".py").replace("/", "."):
            return importlib.util.spec_from_file_location(name, str(Path(self.path).resolve()), loader=self)
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self.mutant.compiled(str(module.__file__)), module.__dict__)

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.order.get(item.nodeid, len(self.order)))

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tell(f"{report.nodeid} ({report.when})")


def _file_by_file(path: str, tests: Sequence[str], order: list[str], mutant: Mutant) -> tuple[str, str]:
    told = (SURVIVED, "-")
    for file in tests:
        if told[0] == SURVIVED:
            told = _forked(partial(_anew, path, file, order, mutant))
    return told


def _anew(path: str, tests: str, order: list[str], mutant: Mutant, tell: Callable[[str], None]) -> None:
    plugin = _Anew(path, order, mutant, tell)
    sys.meta_path.insert(0, plugin)
    try:
        if code := pytest.main([*_OPTIONS, "-x", tests], plugins=[plugin]):
            tell(f"pytest ended with {code}")
    except BaseException as raised:
        tell(f"{type(raised).__name__} while importing")


def _enough(items: Sequence[pytest.Item], took: Mapping[str, float]) -> list[pytest.Item]:
    """Choose the first of these tests that take no longer than `ENOUGH` together."""
    totals = accumulate(took[item.nodeid] for item in items)
    return [item for item, total in zip(items, totals, strict=True) if total <= ENOUGH]


def _forked(act: Callable[[Callable[[str], None]], None]) -> tuple[str, str]:
    """Act in a process of its own; what it tells is that it noticed something."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reader)
        os.setpgid(0, 0)
        _silence()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            act(lambda what: os.write(writer, what.replace("\n", " ").encode()[:2000] + b"\n"))  # type: ignore[arg-type]
        except BaseException as raised:
            os.write(writer, f"{type(raised).__name__} outside of a test".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        said = told.read().decode()
    _, status = os.waitpid(child, 0)
    if said:
        return KILLED, said.splitlines()[0]
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return (TIMEOUT, "-") if number in (signal.SIGALRM, signal.SIGPROF) else (KILLED, f"signal {number}")
    return SURVIVED, "-"


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _function(module: types.ModuleType, name: str) -> types.FunctionType:
    found: Any = module
    for part in name.split("."):
        found = vars(found)[part]
    found = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
    found = getattr(found, "__wrapped__", found)
    assert isinstance(found, types.FunctionType)
    return found


def _code(code: types.CodeType, name: str) -> types.CodeType:
    for part in name.split("."):
        code = next(each for each in code.co_consts if isinstance(each, types.CodeType) and each.co_name == part)
    return code
