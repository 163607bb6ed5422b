"""`make bench`: every figure the project claims, measured here and now, in one table."""

import importlib
import sys

from tests.bench.table import show

PARTS = ("crypto", "consent", "journal", "breach", "sweep")


def main() -> int:
    rows = []
    for part in PARTS:
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"tests.bench.{part}").rows()
    print(show(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
