//! The crate with rusqlite's own SQLite.
use rusqlite::{params, Connection, Result};
use sqlite_hannoy::{auto, deserialize, load, serialize};
use std::{fs, path::PathBuf, thread, time::Duration};

const NEAREST: [(i64, f64); 3] = [(700, 0.25), (702, 1.75), (698, 2.25)];

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn open(file: &PathBuf) -> Result<Connection> {
    auto().unwrap();
    let db = Connection::open(file)?;
    db.busy_timeout(Duration::from_secs(60))?;
    Ok(db)
}

fn search(db: &Connection, k: i64) -> Result<Vec<(i64, f64)>> {
    db.prepare_cached(
        "SELECT rowid, distance FROM notes WHERE vector MATCH ?1 AND kind = ?2 AND k = ?3",
    )?
    .query_map(params![serialize(&[700.25, 1.0]), "even", k], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?
    .collect()
}

fn fill(db: &mut Connection) -> Result<()> {
    db.execute_batch("CREATE VIRTUAL TABLE notes USING hannoy(dim=2, metric=l2, kind TEXT)")?;
    let tx = db.transaction()?;
    for i in 1..=1500 {
        tx.execute(
            "INSERT INTO notes(vector, kind) VALUES (?1, ?2)",
            params![
                serialize(&[i as f32, 1.0]),
                if i % 2 == 0 { "even" } else { "odd" }
            ],
        )?;
    }
    tx.commit()
}

fn info(db: &Connection, key: &str) -> Result<String> {
    db.query_row(
        "SELECT CAST(value AS TEXT) FROM hannoy_info('notes') WHERE key = ?1",
        [key],
        |row| row.get(0),
    )
}

#[test]
fn rows_are_found_in_each_thread_and_after_a_rollback() -> Result<()> {
    let file = folder("threads").join("app.db");
    let mut db = open(&file)?;
    fill(&mut db)?;
    assert_eq!(search(&db, 3)?, NEAREST);
    let tx = db.transaction()?;
    tx.execute("DELETE FROM notes WHERE rowid = 700", [])?;
    assert_eq!(search(&tx, 1)?, NEAREST[1..2]);
    tx.rollback()?;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let db = open(&file).unwrap();
                for _ in 0..20 {
                    assert_eq!(search(&db, 3).unwrap(), NEAREST);
                }
            });
        }
    });
    Ok(())
}

#[test]
fn one_connection() -> Result<()> {
    let db = Connection::open_in_memory()?;
    // SAFETY: the handle is of this connection, which no other thread has.
    unsafe {
        load(db.handle()).unwrap();
        load(db.handle()).unwrap();
    }
    db.execute_batch("CREATE VIRTUAL TABLE notes USING hannoy(dim=2, metric=l2)")?;
    let message = db
        .execute("INSERT INTO notes(vector) VALUES (?1)", [serialize(&[1.0])])
        .unwrap_err()
        .to_string();
    assert!(message.contains("1 dimension"), "{message}");
    Ok(())
}

/// The best that this processor has, each compiled with flags of its own.
#[test]
fn kernels_are_those_of_the_processor() -> Result<()> {
    let mut db = open(&folder("kernels").join("app.db"))?;
    fill(&mut db)?;
    #[cfg(target_arch = "x86_64")]
    let expected = if is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("avx512dq")
    {
        "avx512-vnni"
    } else if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512dq") {
        "avx512"
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        "avx2"
    } else {
        "scalar"
    };
    #[cfg(target_arch = "aarch64")]
    let expected = if std::arch::is_aarch64_feature_detected!("dotprod") {
        "neon-dot"
    } else {
        "neon"
    };
    assert_eq!(info(&db, "kernels")?, expected);
    let version: String = db.query_row("SELECT hannoy_version()", [], |row| row.get(0))?;
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    Ok(())
}

#[test]
fn vectors_and_blobs() {
    let vector = [1.5, -0.0, f32::MIN_POSITIVE];
    assert_eq!(serialize(&vector)[..4], [0, 0, 0xc0, 0x3f]);
    assert_eq!(deserialize(&serialize(&vector)), vector);
    assert_eq!(deserialize(&[0, 0, 0xc0, 0x3f, 7]), [1.5]);
}
