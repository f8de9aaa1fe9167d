"""txtai, with backend="sqlite" and vectors made elsewhere.  txtai_embeddings.py FOLDER"""

import sys

import numpy as np
from txtai import Embeddings

CAT, KITTEN, CAR, TRUCK = (
    np.array(numbers + [0] * 4, dtype=np.float32)
    for numbers in ([1, 0, 0, 0], [0.8, 0.6, 0, 0], [0, 0, 1, 0], [0, 0, 0.6, 0.8])
)


def search(embeddings, query, limit):
    return [(i, round(score, 2)) for i, score in embeddings.search(query, limit)]


# Rows as they are, as int8, and as bits.
for quantize, second in ((None, 0.8), (8, 0.8), (1, 0.88)):
    folder = f"{sys.argv[1]}/txtai{quantize}"
    embeddings = Embeddings(method="external", backend="sqlite", sqlite={"quantize": quantize})
    embeddings.index([(0, CAT, None), (1, KITTEN, None), (2, CAR, None)])
    assert search(embeddings, CAT, 2) == [(0, 1.0), (1, second)], (
        quantize,
        search(embeddings, CAT, 2),
    )
    embeddings.upsert([(3, TRUCK, None)])
    assert embeddings.count() == 4
    assert [i for i, _ in search(embeddings, TRUCK, 2)] == [3, 2]
    embeddings.save(folder)

    embeddings = Embeddings()
    embeddings.load(folder)
    assert search(embeddings, KITTEN, 1) == [(1, 1.0)]
    assert embeddings.delete([1]) == [1]
    assert [i for i, _ in search(embeddings, KITTEN, 1)] == [0]
    embeddings.save(folder)
    embeddings.close()
print("1 passed, 0 failed")
