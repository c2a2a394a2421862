//! A file that shall be, and which of those on the disk are ours.

/// Where systemd-networkd looks for what an administrator wrote.
pub const NETWORKD_FOLDER: &str = "/etc/systemd/network";
/// What ifupdown's main file takes in on Debian.
pub const IFUPDOWN_FOLDER: &str = "/etc/network/interfaces.d";
/// Begins the name of every file that is ours. It sorts before what netplan writes, and the first match wins.
pub const OWN_PREFIX: &str = "05-firstboot-";
/// The first line of every file that is ours.
pub const BANNER: &str =
    "# Written by firstboot, and again whenever it sets the network: `firstboot net` changes it.\n";

/// A file that shall be, with its whole content. It is readable by all, since networkd is not root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// From the root.
    pub path: String,
    /// What is in it.
    pub content: String,
}

/// Collects the lines of a file in the format of systemd and of ifupdown.
#[derive(Debug)]
pub struct Lines(String);

impl Lines {
    /// Begins a file of ours.
    pub fn new() -> Self {
        Self(BANNER.to_owned())
    }

    /// Begins a section of systemd's format.
    pub fn section(&mut self, name: &str) {
        self.0.push_str(&format!("\n[{name}]\n"));
    }

    /// Puts `KEY=VALUE`.
    pub fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        self.line(&format!("{key}={value}"));
    }

    /// Puts `KEY=VALUE` if there is a value.
    pub fn set_if(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Puts one line. What a line break could smuggle in was refused when the model was validated; this holds it.
    pub fn line(&mut self, text: &str) {
        debug_assert!(!text.contains(['\n', '\r']), "{text:?} is more than a line");
        self.0.extend(text.chars().filter(|letter| !letter.is_control()));
        self.0.push('\n');
    }

    /// Returns the file.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// systemd's words for truth.
pub fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// The part of a file's name that stands for an interface; only what is safe in a name is kept.
pub fn stem(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}
