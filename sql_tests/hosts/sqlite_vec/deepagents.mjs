// The SQLite store of @deepagents/retrieval, over node:sqlite: a partition key, a filter and a
// kept column, with k bound as REAL.  deepagents.mjs FOLDER
import assert from 'node:assert/strict';
import { nodeSQLite } from './node_modules/@deepagents/retrieval/dist/lib/stores/sqlite/node-sqlite.js';

const words = { cat: [1, 0, 0], kitten: [0.8, 0.6, 0], car: [0, 0, 1], truck: [0, 0.6, 0.8] };
const embedder = async (texts) => ({ embeddings: texts.map((text) => words[text]) });
const corpus = (id, ...texts) => ({
  id,
  cid: texts.join(),
  metadata: { id },
  chunker: async function* () {
    for (const text of texts) yield { content: text, embedding: words[text] };
  },
});

const file = `${process.argv[2]}/deepagents.db`;
let store = nodeSQLite(file, 3);
await store.index('zoo', corpus('cats', 'cat', 'kitten'));
await store.index('zoo', corpus('things', 'car'));
await store.index('road', corpus('cars', 'car', 'truck'));
let found = await store.search('cat', { sourceId: 'zoo', topN: 2 }, embedder);
assert.deepEqual(
  found.map((row) => [row.content, Number(row.distance.toFixed(6)), row.metadata.id]),
  [
    ['cat', 0, 'cats'],
    ['kitten', 0.2, 'cats'],
  ],
);
found = await store.search('car', { sourceId: 'zoo', documentId: 'cats', topN: 1 }, embedder);
assert.equal(found.length, 1);
found = await store.search('car', { sourceId: 'road' }, embedder);
assert.deepEqual(
  found.map((row) => row.content),
  ['car', 'truck'],
);

// Indexed again with another text, the old chunks are gone.
await store.index('road', corpus('cars', 'truck'));
store = nodeSQLite(file, 3);
found = await store.search('car', { sourceId: 'road' }, embedder);
assert.deepEqual(
  found.map((row) => row.content),
  ['truck'],
);
console.log('1 passed, 0 failed');
