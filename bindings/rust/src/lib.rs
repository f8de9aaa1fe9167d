#![doc = include_str!("../README.md")]

use std::ffi::{c_char, c_int, c_void, CStr};
use std::{error, fmt, ptr};

extern "C" {
    /// hannoy's entry point, as `sqlite3_auto_extension` takes it. `db` is a `sqlite3 *`; `api` is
    /// not used and may be null.
    pub fn sqlite3_hannoy_init(
        db: *mut c_void,
        error: *mut *mut c_char,
        api: *const c_void,
    ) -> c_int;

    // Of the SQLite that the program links.
    fn sqlite3_auto_extension(entry: Option<unsafe extern "C" fn()>) -> c_int;
    fn sqlite3_errstr(code: c_int) -> *const c_char;
    fn sqlite3_free(memory: *mut c_void);
}

/// Why hannoy could not be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// A result code of SQLite.
    pub code: c_int,
    message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hannoy: {}", self.message)
    }
}

impl error::Error for Error {}

fn result_of(code: c_int, message: Option<String>) -> Result<(), Error> {
    if code == 0 {
        return Ok(());
    }
    let message = message.unwrap_or_else(|| {
        // SAFETY: the text is static.
        let text = unsafe { CStr::from_ptr(sqlite3_errstr(code)) };
        text.to_string_lossy().into_owned()
    });
    Err(Error { code, message })
}

/// Registers hannoy in every connection that this process opens from now on. A second call does
/// nothing.
pub fn auto() -> Result<(), Error> {
    // SAFETY: SQLite calls an automatic extension with the three arguments of its real type.
    let code = unsafe {
        sqlite3_auto_extension(Some(std::mem::transmute::<
            unsafe extern "C" fn(*mut c_void, *mut *mut c_char, *const c_void) -> c_int,
            unsafe extern "C" fn(),
        >(sqlite3_hannoy_init)))
    };
    result_of(code, None)
}

/// Registers hannoy in one connection: `load(connection.handle())` with rusqlite. A second call
/// does nothing.
///
/// # Safety
///
/// `db` is a `sqlite3 *` of the SQLite that this program links, and no other thread uses it during
/// the call.
pub unsafe fn load<T>(db: *mut T) -> Result<(), Error> {
    let mut message = ptr::null_mut();
    let code = sqlite3_hannoy_init(db.cast(), &mut message, ptr::null());
    let text = (!message.is_null()).then(|| CStr::from_ptr(message).to_string_lossy().into_owned());
    sqlite3_free(message.cast());
    result_of(code, text)
}

/// The BLOB of a vector.
pub fn serialize(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// The vector of a BLOB of float32. Bytes after the last whole number are left out.
pub fn deserialize(blob: &[u8]) -> Vec<f32> {
    blob.chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect()
}
