//! Drives the stages disk and output on any tree, in a worker as a build does; for measuring and for tests that need
//! a sandbox. `make_disk TREE TOOLS OUT CODENAME [raw|qcow2]` prints the time of each stage; both formats unless one
//! is named.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bootwright::disk::{Parts, SandboxToolbox, assemble_parts};
use bootwright::output;
use bootwright::plan::{OutputKind, Qcow2Compression, SizeRule};
use bootwright::progress::{Silent, Stage};
use bootwright::sandbox::{Isolation, Sandbox};
use integration_tests::sample;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tree, tools, out, codename, rest @ ..] = arguments.as_slice() else {
        bail!("usage: make_disk TREE TOOLS OUT CODENAME [raw|qcow2]");
    };
    let kinds = match rest {
        [] => vec![OutputKind::Raw, OutputKind::Qcow2(Qcow2Compression::None)],
        [raw] if raw == "raw" => vec![OutputKind::Raw],
        [qcow2] if qcow2 == "qcow2" => vec![OutputKind::Qcow2(Qcow2Compression::None)],
        _ => bail!("the format is raw or qcow2"),
    };
    let code = host::worker::run(host::worker::Request::Auto, |isolation| {
        match make(isolation, Path::new(tree), Path::new(tools), Path::new(out), codename, &kinds) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("{error:#}");
                1
            }
        }
    })?;
    std::process::exit(code)
}

fn make(
    isolation: Isolation,
    tree: &Path,
    tools: &Path,
    out: &Path,
    codename: &str,
    kinds: &[OutputKind],
) -> Result<()> {
    let mut locked = sample::locked(codename, SizeRule::Auto);
    if let Some(boot) = &mut locked.plan.boot {
        boot.bios = false;
    }
    std::fs::create_dir_all(out).context("making the output folder")?;
    let sandbox = Sandbox::new(isolation);
    let toolbox = SandboxToolbox::new(&sandbox, tools);
    let started = Instant::now();
    let parts = Parts { root: tree, boot_code: None, toolbox: &toolbox, folder: out, locked };
    let disk = assemble_parts(parts, &Stage::start(&Silent, "disk"))?;
    println!("disk    {:.2} s, {} MiB", started.elapsed().as_secs_f64(), disk.size >> 20);
    let started = Instant::now();
    let artifact =
        output::write(disk, &output::Origins::default(), kinds, out, &Stage::start(&Silent, "output"))?;
    println!("output  {:.2} s", started.elapsed().as_secs_f64());
    for image in artifact.images {
        println!("{}  {}", image.sha256, image.path.display());
    }
    Ok(())
}
