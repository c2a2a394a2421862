//! A folder of a test that goes away with the value.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty folder below the system's folder for temporary files.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes a folder that no other test uses.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bootwright-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    /// Makes a folder for a `static`, which is never dropped. A shell that waits for the end of this process removes it;
    /// an agent that gpg started for a home in it ends with that home.
    pub fn for_the_run(name: &str) -> &'static Path {
        let folder: &'static Self = Box::leak(Box::new(Self::new(name)));
        let mut shell = Command::new("sh");
        shell.args(["-c", "read -r _; rm -rf -- \"$0\""]).arg(folder.path()).stdin(Stdio::piped());
        let shell = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        // Its pipe is closed by nothing but the end of this process.
        static SHELLS: Mutex<Vec<Child>> = Mutex::new(Vec::new());
        SHELLS.lock().expect("nobody panics here").push(shell);
        folder.path()
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("'{}' stays: {error}", self.0.display());
        }
    }
}
