"""Run the benchmarks: ``make bench`` or ``python tests/benchmarks/run.py [NAME]...``.

Each prints a table with ratios to a peer that was measured in the same run. Absolute
times are this machine's; the ratios are what counts.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    """Run each benchmark in a process of its own."""
    found = {
        path.stem.removeprefix("bench_"): path for path in FOLDER.glob("bench_*.py")
    }
    wanted = sys.argv[1:] or sorted(found)
    unknown = set(wanted) - set(found)
    if unknown:
        print(f"No benchmark named {sorted(unknown)}; there are: {sorted(found)}.")
        return 2
    results = [
        subprocess.run([sys.executable, found[name]], check=False) for name in wanted
    ]
    return max(result.returncode for result in results)


if __name__ == "__main__":
    sys.exit(main())
