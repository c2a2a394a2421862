//! Indexes of the .debs that a recipe names by their path, as apt makes them for `apt install ./file.deb`.

use std::fmt::Write as _;
use std::path::Path;

use crate::deb::without_fields;
use crate::plan::LocalPackage;

use super::source::IndexSource;

/// Fields that say where a package is; only an index has them.
const OF_INDEXES: [&str; 8] =
    ["Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Status", "Auto-Installed"];

/// Returns an index that holds `package` alone. They are added behind those of all repositories.
pub fn local_index(package: &LocalPackage) -> (IndexSource, Vec<u8>) {
    let folder = package.path.parent().unwrap_or(Path::new("/"));
    let source = IndexSource {
        repository: usize::MAX,
        base: file_address(folder),
        suite: "local files".to_owned(),
        codename: "local files".to_owned(),
        component: String::new(),
        local: true,
        pin: None,
        not_automatic: false,
        but_automatic_upgrades: false,
    };
    let name = package.path.file_name().unwrap_or_default().to_string_lossy();
    let mut text = without_fields(&package.control, &OF_INDEXES);
    // Writing to a String cannot fail.
    let _ = write!(text, "Filename: {name}\nSize: {}\nSHA256: {}\n\n", package.size, package.sha256);
    (source, text.into_bytes())
}

/// Returns the address of a folder of this machine, without a slash at its end.
fn file_address(folder: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let mut address = "file://".to_owned();
    for &byte in folder.as_os_str().as_bytes() {
        if plain(byte) {
            address.push(char::from(byte));
        } else {
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address.trim_end_matches('/').to_owned()
}
