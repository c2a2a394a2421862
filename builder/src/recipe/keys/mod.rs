//! Every key of a recipe, declared once: name, kind of value, default, example and what it is for.
//!
//! The decoder opens each map by its [`Section`], so a key without a row is unknown, and the JSON Schema and
//! `docs/recipe.md` are written from the same rows. To add a key: add its row here and take it in the section's
//! reader; a debug build stops at a key that is taken without a row and at a row that no reader takes, and a test
//! compares what the decoder and the schema accept, value by value.

mod content;
mod disk;
mod distribution;
mod kinds;
mod output;
mod roles;
mod root;
mod system;
mod upload;

pub(super) use content::{FILE, OVERLAY, RESIDUE};
pub(super) use disk::{BOOT, DISK, GRUB, PARTITION, SUBVOLUME};
pub(super) use distribution::{APT_SOURCE, DEBIAN, DISTRIBUTION, REPOSITORY};
pub(super) use kinds::{Kind, Length, PAIR, Words};
pub(super) use output::{OUTPUT, TEST};
pub(super) use roles::{ROLE_FILE, ROLE_HEALTH, ROLE_KEYS, ROLE_PORT};
pub(super) use root::RECIPE;
pub(super) use system::{RUN, SERVICES, USER};
pub(super) use upload::{AWS, GLANCE, OPENNEBULA, UPLOAD};

/// The keys of one map.
#[derive(Debug)]
pub(super) struct Section {
    /// How messages name it, for example `a partition`.
    pub what: &'static str,
    /// What it is for, in Markdown.
    pub about: &'static str,
    /// Its keys, in the order in which they are shown.
    pub keys: &'static [Key],
    /// Keys of which exactly one must be there.
    pub one_of: &'static [&'static str],
    /// What holds of a key by the value of another.
    pub cases: &'static [Case],
}

/// Where the value of `key` matches `pattern`, this holds of `option`.
#[derive(Debug)]
pub(super) struct Case {
    /// The key that decides.
    pub key: &'static str,
    /// What its value must match: a regular expression of ECMA-262.
    pub pattern: &'static str,
    /// The key that depends on it.
    pub option: &'static str,
    /// What holds of it.
    pub then: Then,
}

/// What holds of a key.
#[derive(Debug)]
pub(super) enum Then {
    /// If it is there, it is one of these words.
    OneOf(&'static dyn Words),
    /// It must not be there.
    Absent,
    /// It must be there.
    Needed,
}

/// One key: everything that is said about it.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it is for: sentences in Markdown.
    pub about: &'static str,
    /// A value in YAML that is right on its own.
    pub example: &'static str,
    /// What holds when it is not given, in Markdown; none when that needs no word.
    pub default: Option<&'static str>,
    /// Whether it must be there.
    pub required: bool,
}

impl Key {
    /// Declares a key that may be left out.
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        example: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, kind, about, example, default: None, required: false }
    }

    /// Says that the key must be there.
    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Says what holds without the key.
    pub(super) const fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }
}

impl Section {
    /// Returns the row of a key.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Tells whether a key must be there, always or in a case.
    pub(super) fn needs(&self, name: &str) -> bool {
        let in_a_case = |case: &Case| case.option == name && matches!(case.then, Then::Needed);
        self.key(name).is_some_and(|key| key.required) || self.cases.iter().any(in_a_case)
    }

    /// Returns the names of all keys, in order.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}
