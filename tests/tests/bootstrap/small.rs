//! Packages made for the test, put on top of a minimal set: what natively unpacking them would get wrong, and
//! what must fail.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bootwright::sandbox::Sandbox;
use bootwright::verify::{Verified, VerifiedPackage};

use crate::build;
use crate::reference::describe;

/// The list on whose packages these are put.
pub const LIST: &str = "minbase";

/// A package to be made.
struct Small {
    name: &'static str,
    fields: &'static str,
    files: &'static [(&'static str, &'static str)],
    preinst: Option<&'static str>,
    postinst: Option<&'static str>,
    md5sums: bool,
}

const PLAIN: Small = Small { name: "", fields: "", files: &[], preinst: None, postinst: None, md5sums: true };

/// Diverts a file of a package that is configured, before its own comes.
const DIVERTER: Small = Small {
    name: "diverter",
    files: &[("usr/bin/which.debianutils", "#!/bin/sh\necho diverted\n")],
    preinst: Some(
        "#!/bin/sh\nset -e\n[ \"$1\" = install ] && [ -z \"$2\" ]\n\
         [ \"$DPKG_MAINTSCRIPT_PACKAGE\" = diverter ] && [ \"$DPKG_MAINTSCRIPT_NAME\" = preinst ]\n\
         dpkg-query --show --showformat='${Status}' diverter | grep -qx 'install reinstreq half-installed'\n\
         ! [ -e /usr/bin/which.debianutils.real ]\n\
         dpkg-divert --package diverter --add --rename --divert /usr/bin/which.debianutils.real \
         /usr/bin/which.debianutils\n",
    ),
    ..PLAIN
};
/// Keeps a second file: dpkg drops a package that lost all of them.
const OWNER: Small = Small {
    name: "owner",
    files: &[("usr/share/contested", "owner\n"), ("usr/share/kept", "owner\n")],
    ..PLAIN
};
/// Takes a file over from `owner`.
const HEIR: Small = Small {
    name: "heir",
    fields: "Depends: owner\nReplaces: owner (<< 2)\n",
    files: &[("usr/share/contested", "heir\n")],
    ..PLAIN
};
const NO_SUMS: Small =
    Small { name: "no-sums", files: &[("usr/share/no-sums", "x\n")], md5sums: false, ..PLAIN };
/// Must find its pre-dependency configured.
const STRICT: Small = Small {
    name: "strict",
    fields: "Pre-Depends: maker\n",
    preinst: Some("#!/bin/sh\nset -e\ntest -e /var/lib/made-by-postinst\n"),
    ..PLAIN
};
const MAKER: Small =
    Small { name: "maker", postinst: Some("#!/bin/sh\ntouch /var/lib/made-by-postinst\n"), ..PLAIN };
const THIEF: Small = Small { name: "thief", files: &[("usr/share/contested", "thief\n")], ..PLAIN };
const BROKEN: Small =
    Small { name: "broken", preinst: Some("#!/bin/sh\necho the reason\nexit 7\n"), ..PLAIN };

/// Builds trees of the minimal set and small packages below `folder`.
pub fn packages_that_only_dpkg_can_unpack(
    sandbox: &Sandbox,
    minimal: &Verified,
    folder: &Path,
) -> Result<()> {
    let mut verified = minimal.clone();
    verified.locked.plan.debconf = vec!["tzdata tzdata/Areas select Europe".into()];
    for small in [&DIVERTER, &OWNER, &HEIR, &NO_SUMS, &STRICT, &MAKER] {
        verified.packages.push(make(small, folder)?);
    }
    let root = folder.join("small");
    fs::create_dir(&root)?;
    build(&verified, sandbox, &root)?;
    let read = |path: &str| fs::read_to_string(root.join(path)).context(path.to_owned());
    ensure!(read("usr/share/contested")? == "heir\n", "Replaces was not honoured");
    ensure!(
        !read("var/lib/dpkg/info/owner.list")?.contains("contested"),
        "the file still belongs to its old owner"
    );
    ensure!(
        read("var/lib/dpkg/info/no-sums.md5sums")?.ends_with("usr/share/no-sums\n"),
        "no sums were computed"
    );
    ensure!(read("usr/bin/which.debianutils")?.contains("diverted"), "the diverting file is not in place");
    ensure!(root.join("usr/bin/which.debianutils.real").exists(), "the diverted file is gone");
    ensure!(read("etc/timezone")?.starts_with("Europe/"), "the preseed was not heard");
    crate::witness(&root)?;
    fails(
        sandbox,
        minimal,
        &[&OWNER, &THIEF],
        folder,
        "packages owner and thief both ship '/usr/share/contested'",
    )?;
    fails(
        sandbox,
        minimal,
        &[&BROKEN],
        folder,
        "preinst of package broken ended with status 7; its last output was:\nthe reason",
    )
}

/// Demands that a set with `extra` fails with `message`.
fn fails(
    sandbox: &Sandbox,
    minimal: &Verified,
    extra: &[&Small],
    folder: &Path,
    message: &str,
) -> Result<()> {
    let mut verified = minimal.clone();
    for small in extra {
        verified.packages.push(make(small, folder)?);
    }
    let root = folder.join("failing");
    fs::create_dir(&root)?;
    let error = build(&verified, sandbox, &root).err().context("a wrong package went in")?;
    ensure!(format!("{error:#}").contains(message), "unexpected error: {error:#}");
    ensure!(!folder.join("failing.staging").exists(), "the staging folder stayed");
    fs::remove_dir_all(&root).context("removing a failed tree")
}

/// Makes a .deb by dpkg-deb.
fn make(small: &Small, folder: &Path) -> Result<VerifiedPackage> {
    let source = folder.join("source");
    let control = source.join("DEBIAN");
    fs::create_dir_all(&control)?;
    let (name, fields) = (small.name, small.fields);
    let text = format!(
        "Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n{fields}\
         Description: made for a test\n"
    );
    fs::write(control.join("control"), text)?;
    let mut sums = String::new();
    for (path, content) in small.files {
        let file = source.join(path);
        fs::create_dir_all(file.parent().context("a path without a folder")?)?;
        fs::write(&file, content)?;
        let output = Command::new("md5sum").arg(&file).output()?.stdout;
        let digest = String::from_utf8_lossy(&output).split(' ').next().unwrap_or_default().to_owned();
        sums += &format!("{digest}  {path}\n");
    }
    if small.md5sums {
        fs::write(control.join("md5sums"), sums)?;
    }
    for (script, text) in [("preinst", small.preinst), ("postinst", small.postinst)] {
        if let Some(text) = text {
            fs::write(control.join(script), text)?;
            fs::set_permissions(control.join(script), fs::Permissions::from_mode(0o755))?;
        }
    }
    let path: PathBuf = folder.join(format!("{name}.deb"));
    let status =
        Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&source).arg(&path).output()?;
    ensure!(status.status.success(), "dpkg-deb: {}", String::from_utf8_lossy(&status.stderr));
    fs::remove_dir_all(&source)?;
    Ok(VerifiedPackage { package: describe(&path)?, path })
}
