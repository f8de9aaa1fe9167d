-- hannoy on 20,000 WordNet synsets ("words: gloss"), each with a sentence embedding of 384
-- dimensions in signed bytes.  Run by demo.sh from the top of the tree, on an empty database.

.load ./hannoy
.mode column --wrap 0
.headers on
.print hannoy for SQLite: 20,000 WordNet meanings as vectors of 384 dimensions
.print
SELECT hannoy_version() AS hannoy, sqlite_version() AS sqlite;

-- What the demo notes down on the way: moments, and places in memory for the figures at the end.
CREATE TEMP TABLE clock(mark TEXT PRIMARY KEY, seconds REAL);
CREATE TEMP VIEW seconds_since AS
    SELECT mark, round((julianday('now') - 2440587.5) * 86400 - seconds, 2) AS seconds FROM clock;
CREATE TEMP TRIGGER now AFTER INSERT ON clock WHEN new.seconds IS NULL BEGIN
    UPDATE clock SET seconds = (julianday('now') - 2440587.5) * 86400 WHERE mark = new.mark;
END;

-- ------------------------------------------------------------------------------------- loading

.once /dev/null
PRAGMA journal_mode = WAL;
ATTACH 'file:examples/wordnet.db?mode=ro' AS wordnet;
CREATE TABLE synset AS SELECT id, pos, words, gloss FROM wordnet.synset;
CREATE UNIQUE INDEX synset_id ON synset(id);

-- Every 40th meaning is kept back: these 500 are the queries whose recall is measured.
CREATE TEMP TABLE question AS SELECT id, embedding FROM wordnet.synset WHERE id % 40 = 0;

-- autobuild=0: nothing is built at COMMIT, so that loading and building can be timed apart.
CREATE VIRTUAL TABLE v USING hannoy(dim=384, metric=cosine, type=int8, autobuild=0);

.print
.print Loading 19,500 vectors in one transaction ...
INSERT INTO clock(mark) VALUES ('load');
BEGIN;
INSERT INTO v(rowid, vector)
    SELECT id, embedding FROM wordnet.synset WHERE id NOT IN (SELECT id FROM question);
COMMIT;
SELECT count(*) AS rows, (SELECT seconds FROM seconds_since WHERE mark = 'load') AS seconds FROM v;

.print
.print Building the index ...
INSERT INTO clock(mark) VALUES ('build');
SELECT hannoy_build('v') AS changes_taken_in;
SELECT seconds FROM seconds_since WHERE mark = 'build';
INSERT INTO v(v) VALUES ('autobuild=1000');

-- ---------------------------------------------------------------------------------- neighbours

.print
.print The meanings nearest to a few words:
WITH wanted AS (
    SELECT id, words FROM synset
     WHERE words IN ('guitar', 'river', 'justice', 'cat, true cat')
)
SELECT w.words AS "nearest to", printf('%.4f', v.distance) AS distance,
       substr(s.words, 1, 32) AS words, substr(s.gloss, 1, 56) AS gloss
  FROM wanted w
  JOIN v ON knn_match(v.vector, (SELECT vector FROM v WHERE rowid = w.id)) AND v.k = 6
  JOIN synset s ON s.id = v.rowid
 ORDER BY w.id, v.distance;

.print
.print The verbs nearest to guitar, without k: rows stream by distance until LIMIT is filled.
SELECT s.pos, printf('%.4f', v.distance) AS distance,
       substr(s.words, 1, 32) AS words, substr(s.gloss, 1, 56) AS gloss
  FROM v JOIN synset s ON s.id = v.rowid
 WHERE knn_match(v.vector, (SELECT embedding FROM wordnet.synset WHERE words = 'guitar'))
   AND s.pos = 'v'
 ORDER BY v.distance LIMIT 5;

-- -------------------------------------------------------------------------------------- recall

.print
.print The same vectors in a second table that is never built: it answers by an exact scan.
CREATE VIRTUAL TABLE scanned USING hannoy(dim=384, metric=cosine, type=int8, autobuild=0);
INSERT INTO scanned(rowid, vector) SELECT rowid, vector FROM v;

.print
.print The 10 nearest of 500 queries, by the index ...
INSERT INTO clock(mark) VALUES ('index');
CREATE TEMP TABLE by_index AS
    SELECT q.id AS query, v.rowid AS id FROM question q, v
     WHERE knn_match(v.vector, q.embedding) AND v.k = 10;
SELECT count(*) AS rows, seconds FROM by_index, seconds_since WHERE mark = 'index';


.print ... and by the exact scan ...
INSERT INTO clock(mark) VALUES ('scan');
CREATE TEMP TABLE by_scan AS
    SELECT q.id AS query, e.rowid AS id FROM question q, scanned e
     WHERE knn_match(e.vector, q.embedding) AND e.k = 10;
SELECT count(*) AS rows, seconds FROM by_scan, seconds_since WHERE mark = 'scan';

.print
SELECT round(1.0 * count(*) / (SELECT count(*) FROM by_scan), 4) AS "recall@10"
  FROM by_index JOIN by_scan USING (query, id);

-- -------------------------------------------------------------------------------- transactions

.print
.print A DELETE takes effect at once, in its own transaction too, and a ROLLBACK undoes it:
CREATE TEMP VIEW nearest AS
    SELECT substr(s.words, 1, 32) AS words, printf('%.4f', v.distance) AS distance
      FROM v JOIN synset s ON s.id = v.rowid
     WHERE knn_match(v.vector, (SELECT embedding FROM wordnet.synset WHERE words = 'guitar'))
       AND v.k = 3;
SELECT 'before' AS moment, * FROM nearest;
BEGIN;
DELETE FROM v WHERE rowid = (SELECT id FROM synset WHERE words = 'guitar');
.print
SELECT 'after DELETE' AS moment, * FROM nearest;
ROLLBACK;
.print
SELECT 'after ROLLBACK' AS moment, * FROM nearest;

-- --------------------------------------------------------------------------------------- sizes

.print
.print What lies on the disk:
DROP TABLE scanned;
.once /dev/null
PRAGMA wal_checkpoint(TRUNCATE);
VACUUM;
SELECT page_count * page_size AS "database bytes", length(readfile('build/demo/demo.db-hannoy'))
       AS "sidecar bytes", (SELECT count(*) FROM v) AS rows
  FROM pragma_page_count(), pragma_page_size();
.print
SELECT * FROM hannoy_info('v');
