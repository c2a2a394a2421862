//! Extended attributes of a path, links not followed.
#![expect(unsafe_code, reason = "neither std nor nix wraps these calls")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Room for names and values that spares a second call for nearly every file.
const FIRST_TRY: usize = 1024;

/// Returns the names of the attributes of `path`, sorted; none where the filesystem has no attributes.
pub fn list(path: &Path) -> io::Result<Vec<CString>> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let found = read(|buffer| {
        // SAFETY: `path` ends in NUL, and the kernel writes at most `buffer.len()` bytes to `buffer`.
        unsafe { libc::llistxattr(path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) }
    });
    let names = match found {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
        other => other?,
    };
    let mut names: Vec<CString> = names
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(CStr::to_owned)
        .collect();
    names.sort();
    Ok(names)
}

/// Returns the value of the attribute `name` of `path`.
pub fn get(path: &Path, name: &CStr) -> io::Result<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    read(|buffer| {
        // SAFETY: both strings end in NUL, and the kernel writes at most `buffer.len()` bytes to `buffer`.
        unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) }
    })
}

/// Sets the attribute `name` of `path`.
pub fn set(path: &Path, name: &CStr, value: &[u8]) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: both strings end in NUL, and the kernel reads `value.len()` bytes from `value`.
    let result =
        unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Calls `fill` with a buffer that grows until it is big enough; an empty buffer asks the kernel for the size.
fn read(fill: impl Fn(&mut [u8]) -> isize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; FIRST_TRY];
    loop {
        match usize::try_from(fill(&mut buffer)) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.raw_os_error() != Some(libc::ERANGE) {
                    return Err(error);
                }
            }
        }
        let needed = usize::try_from(fill(&mut [])).map_err(|_| io::Error::last_os_error())?;
        buffer = vec![0; needed.max(1)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_lists_and_reads_back() {
        let path = std::env::temp_dir().join(format!("host-xattr-{}", std::process::id()));
        std::fs::write(&path, "x").expect("a file");
        let long = vec![7; 3000];
        set(&path, c"user.short", b"one").expect("set");
        set(&path, c"user.long", &long).expect("set");
        assert_eq!(list(&path).expect("listed"), [c"user.long".to_owned(), c"user.short".to_owned()]);
        assert_eq!(get(&path, c"user.short").expect("read"), b"one");
        assert_eq!(get(&path, c"user.long").expect("read"), long);
        assert!(get(&path, c"user.none").is_err());
        std::fs::remove_file(path).expect("removed");
    }
}
