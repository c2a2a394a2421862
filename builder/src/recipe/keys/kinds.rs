//! What a value may be.

use std::fmt;

use super::Section;

/// Kind of a value.
pub(in crate::recipe) enum Kind {
    /// Text of one line that passes a test of the decoder.
    Text(&'static Text),
    /// `true` or `false`.
    Boolean,
    /// `true`, `false` or one word.
    BooleanOr(&'static str),
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// One word of a list.
    Choice(&'static dyn Words),
    /// A size with its unit.
    Size,
    /// A time with its unit.
    Duration,
    /// A list.
    List(&'static Kind, Length),
    /// A map with known keys.
    Map(&'static Section),
    /// A map with keys of the author's choice: a pattern for them, and what their values are.
    Table(&'static str, &'static Kind),
    /// Either of two.
    Either(&'static Kind, &'static Kind),
    /// Any single value.
    Scalar,
    /// The number that names the schema's version.
    Version,
    /// A map with these keys, whose values another reader judges.
    Document(&'static [&'static str]),
}

/// How long a list may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::recipe) enum Length {
    /// It may be empty.
    Any,
    /// It needs an item.
    NotEmpty,
}

/// A kind of text.
#[derive(Debug)]
pub(in crate::recipe) struct Text {
    /// How it is called in the reference.
    pub name: &'static str,
    /// What it must match: a regular expression of ECMA-262, which the decoder's own test agrees with.
    pub pattern: &'static str,
}

/// Words that a value may be one of, in the decoder's own table.
pub(in crate::recipe) trait Words: Sync {
    /// Returns each word and whether it works.
    fn words(&self) -> Vec<(&'static str, bool)>;
}

impl fmt::Debug for dyn Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.words()).finish()
    }
}

impl<T: Sync, const N: usize> Words for [(&'static str, Option<T>); N] {
    fn words(&self) -> Vec<(&'static str, bool)> {
        self.iter().map(|(word, value)| (*word, value.is_some())).collect()
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(text) => text.name,
            Self::Boolean | Self::BooleanOr(_) => "boolean",
            Self::Integer(..) | Self::Version => "integer",
            Self::Choice(_) => "choice",
            Self::Size => "size",
            Self::Duration => "duration",
            Self::List(..) => "list",
            Self::Map(_) | Self::Table(..) => "map",
            Self::Either(..) => "either",
            Self::Scalar => "scalar",
            Self::Document(_) => "document",
        })
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $pattern:expr;)*) => {
        $($(#[$doc])* pub(in crate::recipe) static $constant: Text = Text { name: $name, pattern: $pattern };)*
    };
}

texts! {
    /// One line that is not empty.
    LINE = "text", r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
    /// A key and a value.
    PAIR = "text KEY=VALUE", r"^(?=[^=]*[^\s=])[^=\u0000-\u001f\u007f-\u009f]+=[^\u0000-\u001f\u007f-\u009f]*$";
    /// Any text, with several lines or empty.
    ANY_TEXT = "text, several lines", r"";
    /// Shell text.
    SCRIPT = "shell text, several lines", r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*[^\s\u0000-\u0008\u000b-\u001f\u007f-\u009f][^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$";
    /// A path of the machine that builds.
    HOST_PATH = "path on this machine", r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
    /// A path in the image.
    IMAGE_PATH = "path in the image", r"^(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f-\u009f]+)+$";
    /// Where a filesystem is mounted.
    MOUNT_POINT = "path in the image", r"^(/|(/(?!\.{1,2}(/|$))[^/\s\u0000-\u001f\u007f-\u009f]+)+)$";
    /// A name that becomes a file's.
    NAME = "name", r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";
    /// A user or group.
    ACCOUNT = "account", r"^[a-z_][a-z0-9_-]{0,31}$";
    /// A suite or codename.
    SUITE = "suite", r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?(/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?)*$";
    /// A suite, or the path of a flat repository.
    SUITE_OR_PATH = "suite, or the path of a flat repository with `/` at its end", r"^([A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?(/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?)*|(\./)?([A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?(/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?)*|\.)?/)$";
    /// A component of an archive.
    COMPONENT = "component", r"^[A-Za-z0-9_./-]+$";
    /// The address of an archive.
    URI = "http, https or file address", r"^https?://[!$%&()*+,.0-9;=A-Z\[\]_a-z~-][!$%&()*+,.0-9:;=A-Z\[\]_a-z~-]*(/[!$%&()*+,./0-9:;=@A-Z\[\]_a-z~-]*)?$|^file:(//(?=/)|(?!//))(?=/*[^/])(/(?!\.\.(/|$))[!$%&()*+,.0-9:;=@A-Z\[\]_a-z~-]*)+$";
    /// A wish for a package.
    PACKAGE = "package", r"^(?!.*\.deb$)([a-z0-9][a-z0-9+.-]*[a-z0-9+.]|[a-z0-9][a-z0-9+.-]+-|[a-z0-9][a-z0-9+.-]+(=([A-Za-z0-9.+~-]*:)?[A-Za-z0-9][A-Za-z0-9.+~:-]*|/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?(/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?)*))$|^(\./|\.\./|/)[^\u0000-\u001f\u007f-\u009f]*\.deb$";
    /// A wish for a package that is not a refusal.
    KERNEL = "package", r"^(?!.*\.deb$)([a-z0-9][a-z0-9+.-]*[a-z0-9+.]|[a-z0-9][a-z0-9+.-]+(=([A-Za-z0-9.+~-]*:)?[A-Za-z0-9][A-Za-z0-9.+~:-]*|/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?(/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?)*))$|^(\./|\.\./|/)[^\u0000-\u001f\u007f-\u009f]*\.deb$";
    /// A line for debconf-set-selections.
    DEBCONF = "debconf line", r"^\s*\S+\s+\S*/\S*\s+(string|boolean|select|multiselect|note|text|password|title|error)(\s[^\u0000-\u001f\u007f-\u009f]*)?$";
    /// A locale.
    LOCALE = "locale", r"^[A-Za-z][A-Za-z0-9_.@-]*$";
    /// A time zone.
    TIMEZONE = "time zone", r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z][A-Za-z0-9_+-]*)*$";
    /// A unit of systemd.
    UNIT = "unit", r"^[A-Za-z0-9:_.\\@-]+$";
    /// A public key of OpenSSH.
    SSH_KEY = "public key of OpenSSH", r"(^|\s)(ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)\S*\s+AAAA\S{37,}(\s|$)";
    /// Permission bits.
    MODE = "octal mode, in quotes", r"^[0-7]{3,4}$";
    /// A role or a group of roles.
    ROLE = "role", r"^[a-z][a-z0-9_-]{0,39}$";
    /// One argument of the kernel.
    KERNEL_ARGUMENT = "kernel argument", r"^(?!(root|ro|rw|BOOT_IMAGE)(=|$))[!%()*+,./0-9:=?@A-Z\[\]^_a-z~-]+$";
    /// One mount option.
    MOUNT_OPTION = "mount option", r"^[!$%&()*+./0-9:;<=>?@A-Z\[\]^_`a-z{|}~-]+$";
    /// A subvolume at the top of a btrfs filesystem.
    SUBVOLUME_NAME = "name without slashes", r"^(?!\.{1,2}$)[!$%&()*+.0-9:;<=>?@A-Z\[\]^_`a-z{|}~-]{1,255}$";
    /// A mirror's address, or `auto`.
    AUTO_WORD = "`auto`", r"^auto$";
}
