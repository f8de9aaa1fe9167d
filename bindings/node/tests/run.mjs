// The package in the host that runs this.  run.mjs MODULE: better-sqlite3, node:sqlite, bun:sqlite
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { Worker, isMainThread } from 'node:worker_threads';
import { getLoadablePath, load } from 'sqlite-hannoy';

const require = createRequire(import.meta.url);
const module = process.argv[2];
const host = await import(module);
const Database = host.DatabaseSync ?? host.Database ?? host.default;
const open = (file = ':memory:') =>
  module === 'node:sqlite' ? new Database(file, { allowExtension: true }) : new Database(file);
const SEARCH = 'SELECT rowid, distance FROM notes WHERE vector MATCH ? AND k = ?';

/** Runs `body` while process says something else of itself. */
function pretend(properties, body) {
  const kept = Object.keys(properties).map((key) => [
    key,
    Object.getOwnPropertyDescriptor(process, key) ?? { value: process[key], configurable: true },
  ]);
  try {
    for (const [key, value] of Object.entries(properties)) {
      Object.defineProperty(process, key, { value, configurable: true });
      assert.equal(process[key], value);
    }
    body();
  } finally {
    kept.forEach(([key, descriptor]) => Object.defineProperty(process, key, descriptor));
  }
}

const tests = {
  'the path is that of the only platform that npm installed'() {
    const file = getLoadablePath();
    assert.ok(path.isAbsolute(file) && fs.statSync(file).size > 100000, file);
    const musl = process.execPath.includes('musl') ? '-musl' : '';
    const name = `sqlite-hannoy-${process.platform}-${process.arch}${musl}`;
    assert.equal(path.basename(path.dirname(file)), name);
  },

  'require and import give the same functions'() {
    const required = require('sqlite-hannoy');
    assert.equal(required.load, load);
    assert.equal(required.getLoadablePath, getLoadablePath);
    assert.deepEqual(Object.keys(required), ['getLoadablePath', 'load']);
  },

  'a search finds what Float32Arrays and JSON stored'() {
    const db = open();
    load(db);
    load(db); // a second time does nothing
    db.exec('CREATE VIRTUAL TABLE notes USING hannoy(dim=2, metric=l2)');
    const insert = db.prepare('INSERT INTO notes(vector) VALUES (?)');
    for (let i = 1; i <= 1000; i++) {
      insert.run(i % 2 ? new Float32Array([i, 1]) : JSON.stringify([i, 1]));
    }
    // A view in the middle of a larger buffer binds its own bytes.
    const query = new Float32Array([9, 9, 700.25, 1, 9]).subarray(2, 4);
    const rows = db.prepare(SEARCH).all(query, 2);
    assert.deepEqual(
      rows.map((row) => [row.rowid, row.distance]),
      [[700, 0.25], [701, 0.75]],
    );
    const { vector } = db.prepare('SELECT vector FROM notes WHERE rowid = 7').get();
    assert.deepEqual([...new Float32Array(Uint8Array.from(vector).buffer)], [7, 1]);
    assert.throws(() => insert.run(new Float64Array([1, 2])), /convert them to float32/);
    db.close();
  },

  async 'a worker loads it into a connection of its own'() {
    const worker = new Worker(new URL(import.meta.url), { argv: [module] });
    const rows = await new Promise((resolve, reject) => {
      worker.on('error', reject).on('message', resolve);
    });
    assert.equal(rows, 1);
    await worker.terminate();
  },

  'what is no connection'() {
    for (const wrong of [undefined, null, {}, 'app.db']) {
      assert.throws(() => load(wrong), /load\(db\) takes a connection .*Drizzle's db\.\$client/s);
    }
  },

  'a connection that may not load extensions'() {
    if (module !== 'node:sqlite') {
      return;
    }
    assert.throws(
      () => load(new Database(':memory:')),
      /open it by new DatabaseSync\(file, \{ allowExtension: true \}\)/,
    );
  },

  'any other error is the one of the host'() {
    const wrong = new RangeError('of the host');
    const db = {
      loadExtension() {
        throw wrong;
      },
    };
    assert.throws(() => load(db), (error) => error === wrong);
  },

  'a connection with an asynchronous loadExtension'() {
    const promise = Promise.resolve();
    assert.equal(load({ loadExtension: () => promise }), promise);
  },

  'a platform without a package'() {
    pretend({ platform: 'sunos', arch: 'sparc' }, () => {
      assert.throws(getLoadablePath, /no package for sunos-sparc, only for linux-x64, /);
    });
  },

  'the package of a platform that is not installed'() {
    const other = process.arch === 'x64' ? 'arm64' : 'x64';
    pretend({ arch: other }, () => {
      assert.throws(
        getLoadablePath,
        new RegExp(`npm install sqlite-hannoy-linux-${other}(-musl)?$`),
      );
    });
  },

  'musl is told by the program that runs'() {
    if (process.versions.deno) {
      return; // where execPath cannot be changed
    }
    const program = path.resolve('musl-program');
    fs.writeFileSync(program, '\x7fELF\0\0/lib/ld-musl-x86_64.so.1\0');
    try {
      pretend({ arch: process.arch === 'x64' ? 'arm64' : 'x64', execPath: program }, () => {
        assert.throws(getLoadablePath, /the package sqlite-hannoy-linux-\w+-musl is not installed/);
      });
    } finally {
      fs.unlinkSync(program);
    }
  },
};

if (isMainThread) {
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
    } catch (error) {
      failed++;
      console.log(`${name}:`, error);
    }
  }
  console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
} else {
  const { parentPort } = await import('node:worker_threads');
  const db = open();
  load(db);
  db.exec('CREATE VIRTUAL TABLE notes USING hannoy(dim=1, metric=l2)');
  db.prepare('INSERT INTO notes(vector) VALUES (?)').run(new Float32Array([1]));
  parentPort.postMessage(db.prepare(SEARCH).all(new Float32Array([2]), 1).length);
}
