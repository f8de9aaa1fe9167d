"""Counts what was checked, and prints each check with the figures that it saw."""

import sys
import time

passed = failed = 0


def check(good, what, detail=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
    print(("  ok     " if good else "  FAILED ") + what + (f": {detail}" if detail else ""),
          flush=True)
    return good


def note(what):
    print("         " + what, flush=True)


def until(seconds, question):
    """Asks until the answer is true: the seconds that it took, None if it never was.

    A node that is about to start, or without a leader, answers by an exception, which is no.
    """
    start = time.monotonic()
    while True:
        try:
            if question():
                return time.monotonic() - start
        except OSError:
            pass
        if time.monotonic() - start > seconds:
            return None
        time.sleep(0.05)


def finish():
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)
