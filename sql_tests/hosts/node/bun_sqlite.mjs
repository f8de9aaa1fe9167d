// bun:sqlite.  bun_sqlite.mjs EXTENSION FOLDER
import { Database } from 'bun:sqlite';
import assert from 'node:assert/strict';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

const [extension, folder] = isMainThread ? process.argv.slice(2) : workerData.paths;
const query = new Float32Array([700.25, 1]);
const nearest = [
  [700, 0.25],
  [702, 1.75],
  [698, 2.25],
];

function open() {
  const db = new Database(`${folder}/bun_sqlite.db`, { create: true });
  db.run('PRAGMA busy_timeout = 60000');
  db.loadExtension(extension);
  return db;
}

function search(db, k) {
  return db
    .query('SELECT id, distance FROM notes WHERE knn_match(vector, ?) AND kind = ? AND k = ?')
    .values(query, 'even', k);
}

function main(db) {
  db.run(
    'CREATE VIRTUAL TABLE notes USING hannoy(id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)',
  );
  const insert = db.query('INSERT INTO notes(id, vector, kind) VALUES (?, ?, ?)');
  db.transaction(() => {
    for (let i = 1; i <= 1500; i++) insert.run(i, new Float32Array([i, 1]), i % 2 ? 'odd' : 'even');
  })();
  assert.deepEqual(search(db, 3), nearest);
  assert.deepEqual(search(db, 6 / 2), nearest);
  assert.deepEqual(search(db, '3'), nearest);
  assert.deepEqual(db.query('SELECT id FROM notes($q, $k)').values({ $q: query, $k: 2 }), [
    [700],
    [701],
  ]);

  assert.throws(
    db.transaction(() => {
      insert.run(2000, query, 'even');
      db.run('DELETE FROM notes WHERE id = ?', [700]);
      assert.deepEqual(search(db, 1), [[2000, 0]]);
      throw new Error('roll back');
    }),
    /roll back/,
  );
  assert.deepEqual(search(db, 3), nearest);
}

// A worker is a thread with a connection of its own.
function work(db, n) {
  const insert = db.query('INSERT INTO notes(id, vector, kind) VALUES (?, ?, ?)');
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(search(db, 3), nearest);
    insert.run(10000 * n + i, `[${5000 * n + i}, 1]`, 'odd');
  }
}

if (isMainThread) {
  let db = open();
  main(db);
  await Promise.all(
    [1, 2, 3, 4].map(
      (n) =>
        new Promise((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url), {
            workerData: { paths: [extension, folder], n },
          });
          worker.on('error', reject).on('exit', resolve);
        }),
    ),
  );
  assert.deepEqual(db.query('SELECT count(*) FROM notes').values(), [[1580]]);
  db.close(true);
  db = open();
  assert.deepEqual(search(db, 3), nearest);
  assert.deepEqual(db.query('PRAGMA integrity_check').values(), [['ok']]);
  db.close(true);
  console.log('1 passed, 0 failed');
} else {
  const db = open();
  work(db, workerData.n);
  db.close();
}
