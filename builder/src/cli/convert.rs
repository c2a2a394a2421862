//! `bootwright convert`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::args::Shared;
use super::terminal;
use crate::error::ExitCode;
use crate::output::convert::convert;
use crate::plan::{OutputKind, Qcow2Compression, VhdSubformat};
use crate::progress::{Stage, format_bytes};

/// Arguments of `convert`.
#[derive(Debug, Args)]
pub struct ConvertArguments {
    /// The image to read, raw or qcow2; what it is shows in its first bytes
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The file to write; it appears when it is complete
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Format of OUT [default: what its name ends in: .raw, .img, .qcow2, .vmdk or .vhd]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ImageFormat>,
    /// How clusters of a qcow2 are compressed [default: none]
    #[arg(long, value_enum, value_name = "KIND")]
    pub compression: Option<Compression>,
    /// Kind of a VHD [default: fixed, which Azure takes]
    #[arg(long, value_enum, value_name = "KIND")]
    pub subformat: Option<Subformat>,
    /// Replace OUT if it exists
    #[arg(long)]
    pub force: bool,
    /// Print one JSON object instead of OUT's path
    #[arg(long)]
    pub json: bool,
}

/// Formats of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImageFormat {
    /// Sparse raw disk.
    Raw,
    /// qcow2.
    Qcow2,
    /// VMDK, stream-optimised.
    Vmdk,
    /// VHD.
    Vhd,
}

/// How clusters of a qcow2 are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// Not at all.
    None,
    /// By deflate, which every reader knows.
    Zlib,
    /// By Zstandard: faster; QEMU 5.1 or later.
    Zstd,
}

/// Kinds of VHD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subformat {
    /// The whole disk and a footer.
    Fixed,
    /// Blocks as needed.
    Dynamic,
}

/// Converts an image.
///
/// # Errors
/// When the image cannot be read or the new one not be written.
pub fn run(arguments: &ConvertArguments, shared: &Shared) -> Result<u8> {
    let kind = match kind(arguments) {
        Ok(kind) => kind,
        Err(message) => {
            eprintln!("error: {message}");
            return Ok(ExitCode::Usage as u8);
        }
    };
    let reporter = terminal::reporter(shared);
    let stage = Stage::start(reporter.as_ref(), "convert");
    let made = convert(&arguments.input, &arguments.output, kind, arguments.force, &stage)?;
    stage.finish(format!(
        "{} of disk, {} on this machine, sha256 {}",
        format_bytes(made.disk_size),
        format_bytes(made.allocated),
        made.sha256
    ));
    if arguments.json {
        let mut value = json!({
            "path": made.path.display().to_string(),
            "format": made.kind.name(),
            "disk_size": made.disk_size,
            "size": made.size,
            "allocated": made.allocated,
            "sha256": made.sha256.to_string(),
        });
        if let Some((key, option)) = made.kind.option() {
            value[key] = option.into();
        }
        println!("{value:#}");
    } else {
        println!("{}", made.path.display());
    }
    Ok(ExitCode::Success as u8)
}

/// Puts the flags together; an `Err` says which do not fit.
fn kind(arguments: &ConvertArguments) -> Result<OutputKind, String> {
    let format = match arguments.format {
        Some(format) => format,
        None => format_of(&arguments.output).ok_or_else(|| {
            format!(
                "the name '{}' does not tell a format; end it in .raw, .img, .qcow2, .vmdk or .vhd, or give --format",
                arguments.output.display()
            )
        })?,
    };
    if format != ImageFormat::Qcow2 && arguments.compression.is_some() {
        return Err("--compression is for qcow2 only".to_owned());
    }
    if format != ImageFormat::Vhd && arguments.subformat.is_some() {
        return Err("--subformat is for VHD only".to_owned());
    }
    Ok(match format {
        ImageFormat::Raw => OutputKind::Raw,
        ImageFormat::Vmdk => OutputKind::Vmdk,
        ImageFormat::Qcow2 => OutputKind::Qcow2(match arguments.compression {
            None | Some(Compression::None) => Qcow2Compression::None,
            Some(Compression::Zlib) => Qcow2Compression::Zlib,
            Some(Compression::Zstd) => Qcow2Compression::Zstd,
        }),
        ImageFormat::Vhd => OutputKind::Vhd(match arguments.subformat {
            None | Some(Subformat::Fixed) => VhdSubformat::Fixed,
            Some(Subformat::Dynamic) => VhdSubformat::Dynamic,
        }),
    })
}

fn format_of(path: &Path) -> Option<ImageFormat> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "raw" | "img" => Some(ImageFormat::Raw),
        "qcow2" => Some(ImageFormat::Qcow2),
        "vmdk" => Some(ImageFormat::Vmdk),
        "vhd" | "vpc" => Some(ImageFormat::Vhd),
        _ => None,
    }
}
