//! Rust with rusqlite.  notes EXTENSION FOLDER
use rusqlite::{params, Connection, LoadExtensionGuard, Result, ToSql};
use std::{env, path::Path, thread, time::Duration};

const NEAREST: [(i64, f64); 3] = [(700, 0.25), (702, 1.75), (698, 2.25)];

fn blob(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn open(extension: &str, file: &Path) -> Result<Connection> {
    let db = Connection::open(file)?;
    db.busy_timeout(Duration::from_secs(60))?;
    unsafe {
        let _guard = LoadExtensionGuard::new(&db)?;
        db.load_extension(extension, None::<&str>)?;
    }
    Ok(db)
}

fn search(db: &Connection, k: impl ToSql) -> Result<Vec<(i64, f64)>> {
    db.prepare_cached(
        "SELECT id, distance FROM notes WHERE knn_match(vector, ?1) AND kind = ?2 AND k = ?3",
    )?
    .query_map(params![blob(&[700.25, 1.0]), "even", k], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?
    .collect()
}

fn work(extension: &str, file: &Path, n: i64) -> Result<()> {
    let db = open(extension, file)?;
    for i in 0..20 {
        assert_eq!(search(&db, 3)?, NEAREST);
        db.execute(
            "INSERT INTO notes(id, vector, kind) VALUES (?1, ?2, 'odd')",
            params![10000 * n + i, format!("[{}, 1]", 5000 * n + i)],
        )?;
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let (extension, file) = (&arguments[1], &Path::new(&arguments[2]).join("rust.db"));

    let mut db = open(extension, file)?;
    db.execute_batch(
        "CREATE VIRTUAL TABLE notes USING hannoy(
             id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)",
    )?;
    let tx = db.transaction()?;
    {
        let mut insert = tx.prepare("INSERT INTO notes(id, vector, kind) VALUES (?1, ?2, ?3)")?;
        for i in 1..=1500 {
            insert.execute(params![
                i,
                blob(&[i as f32, 1.0]),
                if i % 2 == 0 { "even" } else { "odd" }
            ])?;
        }
    }
    tx.commit()?;
    assert_eq!(search(&db, 3)?, NEAREST);
    assert_eq!(search(&db, 3.0)?, NEAREST);
    assert_eq!(search(&db, "3")?, NEAREST);

    let tx = db.transaction()?;
    tx.execute(
        "INSERT INTO notes(vector, kind) VALUES (?1, 'even')",
        [blob(&[700.25, 1.0])],
    )?;
    assert_eq!(tx.last_insert_rowid(), 1501);
    tx.execute("DELETE FROM notes WHERE id = ?1", [700])?;
    assert_eq!(search(&tx, 1)?, [(1501, 0.0)]);
    tx.rollback()?;
    assert_eq!(search(&db, 3)?, NEAREST);

    // Each thread has a connection of its own.
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=4)
            .map(|n| scope.spawn(move || work(extension, file, n)))
            .collect();
        threads.into_iter().try_for_each(|t| t.join().unwrap())
    })?;
    db.close().map_err(|(_, error)| error)?;

    let db = open(extension, file)?;
    let count: i64 = db.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))?;
    assert_eq!(count, 1580);
    assert_eq!(search(&db, 3)?, NEAREST);
    println!("1 passed, 0 failed");
    Ok(())
}
