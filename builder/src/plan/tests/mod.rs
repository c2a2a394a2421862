//! Recipes whose words fit together and those whose do not.

use super::{Plan, plan};
use crate::recipe::LoadOptions;
use crate::recipe::tests::Folder;

mod damage;
mod explained;
mod filled_in;
mod formats;
mod misfits;
mod mixes;

/// Nine lines that boot; what a test adds begins in line 10.
const HEAD: &str = "\
version: 1
name: x
distribution: { debian: { suite: bookworm } }
outputs: [qcow2]
kernel: linux-image-cloud-amd64
boot: { grub: { bios: true, uefi: true } }
disk:
  size: auto
  partitions:
";
/// Three lines of partitions for [`HEAD`].
const PARTITIONS: &str = "    - { type: bios-boot }\n    - { type: esp }\n    - { type: root }\n";

fn plan_text(text: &str) -> Result<Plan, String> {
    let folder = Folder::new(&[("recipe.yaml", text)]);
    let planned = folder.load("recipe.yaml", &LoadOptions::default()).and_then(|recipe| plan(&recipe));
    planned.map_err(|problems| folder.brief(&problems).trim_end().to_owned())
}

fn check_table(table: &[(String, &str)]) {
    let mut wrong = String::new();
    for (text, expected) in table {
        let found = plan_text(text).err().unwrap_or_default();
        if found != *expected {
            wrong.push_str(&format!("--- {text}\n  expected: {expected}\n  found:    {found}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
