"""Runs every bench of this folder, one after the other, and writes their results.

The pruner's is the small form always; `make bench-pruner` runs its long one, twenty minutes.
Nothing is asserted about time: each prints ratios against a baseline that it measured itself, in
the same minutes on the same machine.
"""

import argparse
import subprocess
import sys
from pathlib import Path

BENCHES = ("bench_runs", "bench_http", "bench_pruner")
FORMS = ("short", "long")


def main() -> int:
    """Run the benches; the exit code is that of the first that broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=FORMS, default="long")
    parser.add_argument("--output", type=Path, default=Path("build/bench"))
    parser.add_argument("--only", action="append", choices=BENCHES)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.only or BENCHES:
        print(f"== {name} ({arguments.form})", flush=True)
        command = [sys.executable, "-m", f"tests.bench.{name}"]
        if name == "bench_pruner":
            command += [str(arguments.output)]  # its long form takes longer than the rest together
        else:
            command += ["--form", arguments.form, "--output", str(arguments.output)]
        code = subprocess.run(command, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
