"""`make mutants`: small changes to the gate, what it rests on, the encodings and the verifier. Tests must notice each.

Prints each mutant that survived and a table of figures. What can't be noticed, since it changes nothing that anybody
sees, stands in `equivalent.csv` with the reason.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

# Imported before the first fork, so that no mutant has to wait for them again.
import alembic.command  # noqa: F401
import cryptography.hazmat.primitives.hpke  # noqa: F401
import flask  # noqa: F401
import nacl.bindings  # noqa: F401
import sqlalchemy.orm  # noqa: F401

from tests.mutation.running import SURVIVED, results

EQUIVALENT = Path(__file__).with_name("equivalent.csv")
JOURNAL = [f"tests/consent/test_journal{name}.py" for name in ("", "_export", "_board_export", "_search")]
NUMBERS = ["tests/consent/test_numbers.py"]
VERIFY = ["tests/consent/test_verify.py", "tests/consent/test_verify_limits.py"]
EVENTS = ["tests/consent/test_events.py", "tests/consent/test_terms.py"]
BUNDLE = [f"tests/crypto/test_bundle{name}.py" for name in ("_vectors", "_forms", "")]
RULE = ["tests/consent/test_rule.py", "tests/consent/test_rule_properties.py"]
TESTS = {
    "handover/release.py": ["tests/handover/test_release.py"],
    "handover/attempts.py": ["tests/handover/test_attempts.py"],
    "handover/register.py": ["tests/handover/test_register.py"],
    "consent/rule.py": RULE,
    "consent/case.py": RULE,
    "consent/answers.py": RULE,
    "consent/guardians.py": ["tests/consent/test_guardians.py", RULE[0], "tests/consent/test_ledger.py"],
    "consent/ledger.py": ["tests/consent/test_ledger.py", "tests/consent/test_signed.py"],
    "consent/marks.py": NUMBERS,
    "consent/numbers.py": NUMBERS,
    "consent/act.py": [*NUMBERS, JOURNAL[0]],
    "consent/opened.py": [JOURNAL[0], JOURNAL[3], *NUMBERS],
    "consent/several.py": ["tests/consent/test_ledger.py"],
    "crypto/encoding.py": ["tests/crypto/test_encoding.py"],
    "crypto/manifest.py": ["tests/crypto/test_manifest.py", *BUNDLE],
    "crypto/bundle.py": BUNDLE,
    "crypto/index.py": ["tests/crypto/test_index.py"],
    "consent/fields.py": EVENTS,
    "consent/events.py": EVENTS,
    "consent/entry.py": ["tests/consent/test_entry.py"],
    "consent/erasing.py": JOURNAL,
    "consent/search.py": JOURNAL[3:],
    "consent/verify.py": VERIFY,
    "consent/exported.py": VERIFY,
    "consent/exported_entry.py": VERIFY,
    "consent/exported_erasures.py": VERIFY,
    "consent/exported_tree.py": VERIFY,
    "consent/erased.py": VERIFY,
    "consent/findings.py": VERIFY,
    "crypto/merkle.py": ["tests/crypto/test_merkle.py"],
    "crypto/checkpoint.py": ["tests/crypto/test_checkpoint.py", "tests/crypto/test_cosignature.py"],
    "crypto/cosignature.py": ["tests/crypto/test_cosignature.py"],
}
"""The modules of which every mutant must be noticed, and the tests that have to notice it."""


def main(arguments: list[str]) -> int:
    """Run the mutants of the modules named, or of all; only those whose line holds `--line TEXT`."""
    text = arguments.pop() if arguments[-2:-1] == ["--line"] else ""
    paths = [each for each in arguments if not each.startswith("--")] or list(TESTS)
    reasons = _equivalent()
    figures = {}
    for path in paths:
        count: Counter[str] = Counter()
        for mutant, what, test in results(path, TESTS[path], lambda mutant: text in mutant.before):
            if what == SURVIVED and (path, mutant.before, mutant.after) in reasons:
                what = "equivalent"
            count[what] += 1
            if what not in ("killed", "equivalent") or "--all" in arguments:
                print(f"{path}:{mutant.line} {what} ({test}): {mutant.before}  ->  {mutant.after}", flush=True)
        figures[path] = count
    kinds = ("killed", "timeout", "equivalent", "survived")
    print(f"{'module':24}{'mutants':>9}" + "".join(f"{kind:>12}" for kind in kinds))
    for path, count in figures.items():
        print(f"{path:24}{count.total():9}" + "".join(f"{count[kind]:12}" for kind in kinds))
    return 1 if any(count[SURVIVED] for count in figures.values()) else 0


def _equivalent() -> set[tuple[str, str, str]]:
    with EQUIVALENT.open(encoding="utf-8", newline="") as file:
        return {(row["module"], row["before"], row["after"]) for row in csv.DictReader(file)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
