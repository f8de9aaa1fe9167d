// Drizzle, over better-sqlite3.  drizzle.mjs EXTENSION FOLDER
import Database from 'better-sqlite3';
import { and, eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { blob, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import assert from 'node:assert/strict';

const [extension, folder] = process.argv.slice(2);

const notes = sqliteTable('notes', {
  id: integer().primaryKey(),
  vector: blob({ mode: 'buffer' }).notNull(),
  kind: text().notNull(),
});
const authors = sqliteTable('authors', { noteId: integer('note_id').primaryKey(), name: text() });

const vector = (...numbers) => Buffer.from(new Float32Array(numbers).buffer);

function open() {
  const sqlite = new Database(`${folder}/drizzle.db`);
  sqlite.loadExtension(extension);
  return drizzle(sqlite);
}

function search(db, kind, k) {
  return db
    .select({ id: notes.id, distance: sql`distance` })
    .from(notes)
    .where(
      and(
        sql`knn_match(${notes.vector}, ${vector(700.25, 1)})`,
        eq(notes.kind, kind),
        sql`k = ${k}`,
      ),
    )
    .all();
}

const nearest = [
  { id: 700, distance: 0.25 },
  { id: 702, distance: 1.75 },
  { id: 698, distance: 2.25 },
];

let db = open();
db.run(
  sql`CREATE VIRTUAL TABLE notes USING hannoy(id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)`,
);
db.run(sql`CREATE TABLE authors(note_id INTEGER PRIMARY KEY, name TEXT)`);
db.transaction((tx) => {
  for (let i = 1; i <= 1500; i++) {
    tx.insert(notes)
      .values({ id: i, vector: vector(i, 1), kind: i % 2 ? 'odd' : 'even' })
      .run();
  }
  tx.insert(authors)
    .values([
      { noteId: 700, name: 'Ada' },
      { noteId: 702, name: 'Bob' },
    ])
    .run();
});
assert.deepEqual(search(db, 'even', 3), nearest);
assert.deepEqual(
  db
    .select({ name: authors.name })
    .from(notes)
    .innerJoin(authors, eq(authors.noteId, notes.id))
    .where(and(sql`knn_match(${notes.vector}, ${vector(702, 1)})`, sql`k = ${3}`))
    .orderBy(sql`distance`)
    .all(),
  [{ name: 'Bob' }],
);

// UPDATE and DELETE of Drizzle's, and ROLLBACK.
assert.throws(() =>
  db.transaction((tx) => {
    tx.update(notes).set({ kind: 'odd' }).where(eq(notes.id, 700)).run();
    tx.delete(notes).where(eq(notes.id, 702)).run();
    assert.deepEqual(search(tx, 'even', 1), [{ id: 698, distance: 2.25 }]);
    tx.rollback();
  }),
);
assert.deepEqual(search(db, 'even', 3), nearest);
db.$client.close();

db = open();
assert.deepEqual(search(db, 'even', 3), nearest);
assert.deepEqual(
  db.select({ kind: notes.kind, vector: notes.vector }).from(notes).where(eq(notes.id, 7)).get(),
  { kind: 'odd', vector: vector(7, 1) },
);
db.$client.close();
console.log('1 passed, 0 failed');
