//! A swap file: written whole, with the header that `mkswap` would write, and used now and at each boot.

use std::fs::File;
use std::io::{self, Write};

use anyhow::{Context, Result, ensure};
use contract::state::{Phase, Swap};
use ring::rand::{SecureRandom, SystemRandom};

use super::change::{Change, Deed, Undo, run_tool};
use super::{Step, Target, fstab};
use crate::machine::Machine;
use crate::superblock;

/// Bytes of a page, which are the unit of the header.
const PAGE: u64 = 4096;
/// The kernel takes no smaller space, in pages.
const SMALLEST: u64 = 10;

/// Makes the swap file.
#[derive(Debug)]
pub struct SwapStep;

impl Step for SwapStep {
    fn name(&self) -> String {
        "swap".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        let Swap { path, bytes } = clone.wanted.state.swap.as_ref()?;
        Some(serde_json::json!([path, bytes]))
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let Some(Swap { path, bytes }) = clone.wanted.state.swap.clone() else { return Ok(Vec::new()) };
        let pages = bytes / PAGE;
        ensure!(
            pages >= SMALLEST,
            "a swap file of {bytes} bytes is too small; {} are the least",
            SMALLEST * PAGE
        );
        ensure!(u32::try_from(pages).is_ok(), "a swap file of {bytes} bytes is too large");
        let line = format!("{path} none swap sw 0 0");
        Ok(vec![
            Change::deed(SwapFile { path: path.clone(), pages }),
            Change::file(fstab::PATH, fstab::with_line(clone.machine, &line)?, 0o644),
            Change::deed(InUse(path)),
        ])
    }
}

/// A file is swap space.
#[derive(Debug)]
struct SwapFile {
    path: String,
    pages: u64,
}

impl Deed for SwapFile {
    fn describe(&self) -> String {
        format!("make the swap file {} ({} bytes)", self.path, self.pages * PAGE)
    }

    fn holds(&self, machine: &Machine) -> Result<bool> {
        if machine.root.is_symlink(&self.path)? || !machine.exists(&self.path) {
            return Ok(false);
        }
        let reading = || format!("reading '{}'", self.path);
        let file = machine.root.open_file(&self.path).with_context(reading)?;
        let kind = superblock::identify(&file).with_context(reading)?.map(|found| found.kind);
        let has_size = file.metadata().with_context(reading)?.len() == self.pages * PAGE;
        Ok(has_size && kind == Some("swap") && machine.root.ownership(&self.path)?.0 == 0o600)
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        let mut uuid = [0; 16];
        SystemRandom::new().fill(&mut uuid).ok().context("making a UUID")?;
        let is_there = machine.exists(&self.path) || machine.root.is_symlink(&self.path)?;
        ensure!(!is_there, "'{}' is there and is no swap file of this size", self.path);
        machine.fill(&self.path, 0o600, |file| write(file, self.pages, uuid))
    }

    fn undo(&self, machine: &Machine) -> Result<Undo> {
        let is_new = !machine.exists(&self.path);
        Ok(if is_new { Undo::Remove(self.path.clone()) } else { Undo::Nothing })
    }
}

/// Every page is written: swap space must have no holes.
fn write(file: &mut File, pages: u64, uuid: [u8; 16]) -> io::Result<()> {
    host::growth::write_in_place(file);
    file.write_all(&header(pages, uuid))?;
    let zeros = vec![0; 1 << 20];
    let mut left = (pages - 1) * PAGE;
    while left > 0 {
        let length = left.min(zeros.len() as u64);
        file.write_all(&zeros[..length as usize])?;
        left -= length;
    }
    Ok(())
}

/// `union swap_header` of `linux/swap.h`: version, last page and UUID from byte 1024 on, ten letters at the page's end.
fn header(pages: u64, uuid: [u8; 16]) -> Vec<u8> {
    let mut page = vec![0; PAGE as usize];
    page[1024..1028].copy_from_slice(&1_u32.to_ne_bytes());
    page[1028..1032].copy_from_slice(&u32::try_from(pages - 1).unwrap_or(u32::MAX).to_ne_bytes());
    page[1036..1052].copy_from_slice(&uuid);
    page[4086..].copy_from_slice(b"SWAPSPACE2");
    page
}

/// The kernel uses a swap file.
#[derive(Debug)]
struct InUse(String);

impl Deed for InUse {
    fn describe(&self) -> String {
        format!("use the swap file {}", self.0)
    }

    fn holds(&self, machine: &Machine) -> Result<bool> {
        let used = machine.read_text("/proc/swaps")?.unwrap_or_default();
        Ok(!machine.is_live
            || used.lines().any(|line| line.split_whitespace().next() == Some(self.0.as_str())))
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        run_tool(machine, &["swapon".into(), self.0.clone()])
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_header_is_that_of_mkswap() {
        let path = std::env::temp_dir().join(format!("firstboot-swap-{}", std::process::id()));
        File::create(&path).expect("a file").set_len(64 * PAGE).expect("a length");
        let uuid = "01234567-89ab-4cde-8f01-23456789abcd";
        match Command::new("mkswap").args(["-q", "-U", uuid]).arg(&path).output() {
            Ok(output) if output.status.success() => {
                let wanted = std::fs::read(&path).expect("read");
                let digits = uuid.replace('-', "");
                let uuid: Vec<u8> = (0..16)
                    .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits"))
                    .collect();
                assert!(header(64, uuid.try_into().expect("16 bytes")) == wanted[..PAGE as usize]);
            }
            _ => println!("skipped: mkswap does not run"),
        }
        std::fs::remove_file(&path).expect("removed");
    }
}
