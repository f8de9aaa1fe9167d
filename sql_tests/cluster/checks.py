"""Counts what was checked, and prints each check with the figures that it saw.

A node is a server or a database: node.name, node.search(vector) -> (rows, strategy),
node.stored() -> BLOBs by rowid, and node.state().
"""

import sys
import time

SEARCH = "SELECT rowid, distance FROM v WHERE knn_match(vector, ?) AND k = 10"
STATE = "SELECT value FROM hannoy_info('v') WHERE key = 'state'"
STRATEGY = "SELECT value FROM hannoy_info('v') WHERE key = 'last_strategy'"
STORED = "SELECT rowid, vector FROM v"
LAST_CHANGE = "SELECT max(seq) FROM v_log"  # logs begin elsewhere, each is trimmed by its own index
WALKS_WITHIN = 10  # seconds from ready to the first search by the index

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


def check_walks(node, query, after):
    """The node searches by its index: one that came without it gets it from its searches."""
    took = until(WALKS_WITHIN, lambda: node.search(query)[1] == "walk")
    check(took is not None, f"{after}: {node.name} searches by its index",
          node.state() if took is None else f"after {took:.1f} s")


def check_answers(node, stored, queries, after):
    """The node has all rows, and finds the nearest: its answers, of pairs of rowid and distance."""
    wrong = stored.differing(node.stored())
    check(not wrong, f"{after}: {node.name} has all {len(stored.chosen)} rows",
          f"{len(wrong)} differ, such as {wrong[:5]}" if wrong else "")
    answers = [node.search(query)[0] for query in queries]
    judged = [stored.judge(query, answer) for query, answer in zip(queries, answers)]
    recall = sum(r for r, _ in judged) / len(judged)
    error = max(e for _, e in judged)
    check(recall > 0.9 and error < 1e-12, f"{after}: {node.name} finds the nearest",
          f"recall {recall:.3f}, distances within {error:.0e}")
    return answers


def check_same_bits(answers, after):
    """What several nodes answered to the same queries."""
    differ = 0
    for first, *others in zip(*answers):
        bits = dict(first)
        differ += sum(bits.get(r, d) != d for other in others for r, d in other)
    check(differ == 0, f"{after}: distances are the same bits on all nodes")


def finish():
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)
