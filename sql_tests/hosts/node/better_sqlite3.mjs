// better-sqlite3, which binds every number of JavaScript's as a REAL.
// better_sqlite3.mjs EXTENSION FOLDER
import Database from 'better-sqlite3';
import assert from 'node:assert/strict';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

const [extension, folder] = isMainThread ? process.argv.slice(2) : workerData.paths;
const query = Buffer.from(new Float32Array([700.25, 1]).buffer);
const nearest = [
  { id: 700, distance: 0.25 },
  { id: 702, distance: 1.75 },
  { id: 698, distance: 2.25 },
];

function open() {
  const db = new Database(`${folder}/better_sqlite3.db`, { timeout: 60000 });
  db.loadExtension(extension);
  return db;
}

function search(db, k) {
  return db
    .prepare('SELECT id, distance FROM notes WHERE knn_match(vector, ?) AND kind = ? AND k = ?')
    .all(query, 'even', k);
}

function main(db) {
  db.exec(
    `CREATE VIRTUAL TABLE notes USING hannoy(
       id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT, rank INTEGER)`,
  );
  const insert = db.prepare('INSERT INTO notes(id, vector, kind, rank) VALUES (?, ?, ?, ?)');
  db.transaction(() => {
    for (let i = 1; i <= 1500; i++)
      insert.run(i, JSON.stringify([i, 1]), i % 2 ? 'odd' : 'even', i % 10);
  })();
  assert.deepEqual(search(db, 3), nearest);
  assert.deepEqual(search(db, 3n), nearest);
  assert.deepEqual(search(db, '3'), nearest);
  const ids = (sql, ...values) =>
    db
      .prepare(sql)
      .pluck()
      .all(...values);
  assert.deepEqual(ids('SELECT id FROM notes(?, ?)', query, 2), [700, 701]);
  assert.deepEqual(ids('SELECT id FROM notes(?, ?, ?)', query, 2, 100), [700, 701]);
  assert.deepEqual(
    ids('SELECT id FROM notes WHERE item = ? AND k = ? AND ef = ? AND exact = ?', 700, 2, 100, 1),
    [699, 701],
  );
  assert.deepEqual(
    ids('SELECT id FROM notes WHERE knn_match(vector, ?) AND rank = ? AND k = ?', query, 5, 2),
    [705, 695],
  );
  assert.deepEqual(
    ids(
      'SELECT id FROM notes WHERE knn_match(vector, ?) AND rank IN (?, ?) AND k = ?',
      query,
      1,
      2,
      2,
    ),
    [701, 702],
  );
  assert.deepEqual(
    ids(
      'SELECT id FROM notes WHERE knn_match(vector, ?) AND id IN (?, ?) AND k = ?',
      query,
      7,
      8,
      1,
    ),
    [8],
  );
  assert.deepEqual(
    ids('SELECT id FROM notes WHERE knn_match(vector, ?) AND distance < ? ORDER BY id', query, 2),
    [699, 700, 701, 702],
  );
  assert.deepEqual(
    ids(
      'SELECT id FROM notes WHERE knn_match(vector, ?) ORDER BY distance LIMIT ? OFFSET ?',
      query,
      2,
      1,
    ),
    [701, 699],
  );
  assert.deepEqual(ids('SELECT rank FROM notes WHERE id = ?', 703), [3]);
  assert.equal(ids('SELECT typeof(rank) FROM notes WHERE id = ?', 703)[0], 'integer');
  assert.equal(ids('SELECT hannoy_recall(?, ?)', 'notes', 3)[0], 1);

  assert.throws(
    db.transaction(() => {
      insert.run(2000, query, 'even', 0);
      db.prepare('DELETE FROM notes WHERE id = ?').run(700);
      assert.deepEqual(search(db, 1), [{ id: 2000, distance: 0 }]);
      throw new Error('roll back');
    }),
    /roll back/,
  );
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
  assert.equal(db.prepare('SELECT count(*) FROM notes').pluck().get(), 1580);
  db.close();
  db = open();
  assert.deepEqual(search(db, 3), nearest);
  assert.equal(db.pragma('integrity_check', { simple: true }), 'ok');
  db.close();
  console.log('1 passed, 0 failed');
} else {
  const db = open();
  work(db, workerData.n);
  db.close();
}
