// node:sqlite, the module of Node's own and of Deno's; it binds numbers as REAL.
// node_sqlite.mjs EXTENSION FOLDER
import assert from 'node:assert/strict';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

const [extension, folder] = isMainThread ? process.argv.slice(2) : workerData.paths;
const query = new Uint8Array(new Float32Array([700.25, 1]).buffer);
const nearest = [
  [700, 0.25],
  [702, 1.75],
  [698, 2.25],
];

function open() {
  const db = new DatabaseSync(`${folder}/node_sqlite.db`, { allowExtension: true });
  db.exec('PRAGMA busy_timeout = 60000');
  db.loadExtension(extension);
  return db;
}

function search(db, k) {
  const rows = db
    .prepare('SELECT id, distance FROM notes WHERE knn_match(vector, ?) AND kind = ? AND k = ?')
    .all(query, 'even', k);
  return rows.map((row) => [row.id, row.distance]);
}

function main(db) {
  db.exec(
    'CREATE VIRTUAL TABLE notes USING hannoy(id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)',
  );
  const insert = db.prepare('INSERT INTO notes(id, vector, kind) VALUES (?, ?, ?)');
  db.exec('BEGIN');
  for (let i = 1; i <= 1500; i++) {
    insert.run(i, new Uint8Array(new Float32Array([i, 1]).buffer), i % 2 ? 'odd' : 'even');
  }
  db.exec('COMMIT');
  assert.deepEqual(search(db, 3), nearest);
  assert.deepEqual(search(db, 3n), nearest);
  const ids = (sql, ...values) =>
    db
      .prepare(sql)
      .all(...values)
      .map((row) => row.id);
  assert.deepEqual(ids('SELECT id FROM notes(:q, :k)', { q: query, k: 2 }), [700, 701]);
  assert.deepEqual(
    ids('SELECT id FROM notes WHERE item = ? AND k = ? ORDER BY id', 700, 2),
    [699, 701],
  );
  assert.deepEqual(
    ids(
      'SELECT id FROM notes WHERE vector MATCH ? AND id IN (?, ?) AND k = ?',
      '[700.25, 1]',
      7,
      8,
      1,
    ),
    [8],
  );

  db.exec('BEGIN');
  insert.run(2000, query, 'even');
  db.prepare('DELETE FROM notes WHERE id = ?').run(700);
  assert.deepEqual(search(db, 1), [[2000, 0]]);
  db.exec('ROLLBACK');
  assert.deepEqual(search(db, 3), nearest);
}

// A worker is a thread with a connection of its own.
function work(db, n) {
  const insert = db.prepare('INSERT INTO notes(id, vector, kind) VALUES (?, ?, ?)');
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
  assert.equal(db.prepare('SELECT count(*) AS n FROM notes').get().n, 1580);
  db.close();
  db = open();
  assert.deepEqual(search(db, 3), nearest);
  assert.equal(db.prepare('PRAGMA integrity_check').get().integrity_check, 'ok');
  db.close();
  console.log('1 passed, 0 failed');
} else {
  const db = open();
  work(db, workerData.n);
  db.close();
}
