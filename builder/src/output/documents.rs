//! The documents beside the images: the bill of materials, then the provenance, which names it.

use std::io;
use std::path::Path;

use crate::provenance;
use crate::resolve::{Locked, Sha256Digest};
use crate::sbom::{self, Installed, Subject, beside};

use super::Unnamed;

/// What the documents tell beside what was locked.
#[derive(Debug, Default)]
pub struct Origins {
    /// The packages that dpkg's database in the tree names.
    pub installed: Vec<Installed>,
    /// Digest of what the recipe takes from this machine: overlays, files, keys, programs.
    pub inputs: Option<Sha256Digest>,
}

impl Origins {
    /// Reads what is installed in the tree at `root`; nothing, if it keeps no database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn read(root: &Path, inputs: Option<Sha256Digest>) -> io::Result<Self> {
        let status = host::beneath::Root::open(root)?.read_to_string_if_exists(sbom::STATUS)?;
        Ok(Self { installed: sbom::parse(&status.unwrap_or_default()), inputs })
    }
}

/// A small file beside the images.
#[derive(Debug)]
pub(super) struct Document {
    pub name: String,
    /// What it is: a format's name, or the type of a predicate.
    pub format: &'static str,
    pub text: String,
}

impl Document {
    pub(super) fn sha256(&self) -> Sha256Digest {
        Sha256Digest::of(self.text.as_bytes())
    }

    fn subject(&self) -> Subject {
        Subject { file: self.name.clone(), sha256: self.sha256() }
    }
}

/// Makes the documents of `images`.
pub(super) fn documents(locked: &Locked, origins: &Origins, images: &[Unnamed]) -> Vec<Document> {
    let name = &locked.plan.name;
    let subject = |image: &Unnamed| Subject { file: image.name.clone(), sha256: image.sha256 };
    let subjects: Vec<Subject> = images.iter().map(subject).collect();
    let bill = Document {
        name: beside::file_name(name),
        format: "SPDX-2.3",
        text: sbom::of_build(locked, &origins.installed, &subjects),
    };
    let provenance = Document {
        name: provenance::file_name(name),
        format: provenance::PREDICATE,
        text: provenance::text(locked, origins.inputs, &subjects, &[bill.subject()]),
    };
    vec![bill, provenance]
}
