"""``python -m tests.fuzz --cases 100000 --seed 7``; one case alone: ``python -m tests.fuzz --seed 7 --case 1234``."""

import argparse
import random
import sys
import time

from tests.fuzz import grammar, run


def main() -> int:
    """Read the options, run; 1 where a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None, help="by default one is drawn, and printed")
    parser.add_argument("--first", type=int, default=0, metavar="CASE", help="begin with this case")
    parser.add_argument("--case", type=int, help="run this one alone, and show it")
    parser.add_argument("--stop-after", type=int, default=10, metavar="N", help="failing cases")
    given = parser.parse_args()
    seed = random.randrange(10**6) if given.seed is None else given.seed
    numbers = range(given.first, given.first + given.cases) if given.case is None else [given.case]
    print(f"wire fuzzing: seed {seed}, {len(numbers)} cases", flush=True)
    failed = 0
    begun = time.monotonic()
    with run.guarded() as complaints:
        for done, number in enumerate(numbers, 1):
            case = grammar.case(seed, number)
            if given.case is not None:
                print(case)
            problems = run.run(case, complaints)
            if problems:
                failed += 1
                print(case, *(f"  {problem}" for problem in problems), sep="\n", flush=True)
            if failed >= given.stop_after:
                break
            if done % 10_000 == 0:
                print(f"{done} cases in {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{done} cases, {failed} failed, {time.monotonic() - begun:.1f} s")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
