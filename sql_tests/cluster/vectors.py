"""Rows of known vectors, their exact neighbours, and what three nodes answered, compared."""

import base64

import numpy

DIM = 64
CENTRES = 500


def made(count, seed=1):
    """Vectors in clusters, as embeddings are: (count, DIM) of float32."""
    random = numpy.random.default_rng(seed)
    centres = random.standard_normal((CENTRES, DIM))
    chosen = centres[random.integers(0, CENTRES, count)]
    return (chosen + 0.7 * random.standard_normal((count, DIM))).astype("float32")


def distances(rows, query):
    """Cosine distances in float64, one a row."""
    rows, query = rows.astype("float64"), query.astype("float64")
    return 1 - rows @ query / numpy.linalg.norm(rows, axis=1) / numpy.linalg.norm(query)


class Stored:
    """What a database has to have: a vector for each rowid."""

    def __init__(self, vectors):
        self.vectors = vectors
        self.chosen = {}  # rowid -> index into vectors

    def put(self, rowids, shift):
        for rowid in rowids:
            self.chosen[rowid] = self.index_of(rowid, shift)

    def remove(self, rowids):
        for rowid in rowids:
            self.chosen.pop(rowid, None)

    def index_of(self, rowid, shift):
        return (rowid + shift) % len(self.vectors)

    def vector_of(self, rowid, shift):
        return self.vectors[self.index_of(rowid, shift)]

    def copy(self):
        other = Stored(self.vectors)
        other.chosen = dict(self.chosen)
        return other

    def differing(self, found):
        """Rowids whose vector in `found`, BLOBs by rowid, is missing, another or one too many."""
        wrong = [r for r in found if r not in self.chosen]
        for rowid, index in self.chosen.items():
            if found.get(rowid) != self.vectors[index].tobytes():
                wrong.append(rowid)
        return sorted(wrong)

    def judge(self, query, answer):
        """(recall, the largest error of a distance) of an answer: pairs of rowid and distance.

        A row that is not stored counts as an infinite error.
        """
        rowids = numpy.fromiter(self.chosen, dtype="int64")
        exact = distances(self.vectors[numpy.fromiter(self.chosen.values(), "int64")], query)
        k = len(answer)
        limit = numpy.partition(exact, k - 1)[k - 1] + 1e-12
        by_rowid = dict(zip(rowids.tolist(), exact))
        errors = [abs(by_rowid.get(rowid, numpy.inf) - distance) for rowid, distance in answer]
        near = sum(by_rowid.get(rowid, numpy.inf) <= limit for rowid, _ in answer)
        return near / k, max(errors)


def in_base64(blob):
    return base64.b64encode(blob).decode()


def from_base64(text):
    # libsql-server leaves the padding out.
    return base64.b64decode(text + "=" * (-len(text) % 4))
