//! Archives made for a test by Debian's own tools: packages by dpkg-deb, lists by dpkg-scanpackages, Release files by
//! apt-ftparchive, signatures by gpg.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A key that signs archives of a test.
#[derive(Debug)]
pub struct Key {
    home: PathBuf,
    /// The public key, binary.
    pub binary: PathBuf,
    /// The public key, armoured.
    pub armoured: PathBuf,
}

impl Key {
    /// Makes a key whose files go into `folder`.
    ///
    /// # Errors
    ///
    /// When gpg fails.
    pub fn make(folder: &Path) -> Result<Self> {
        let home = folder.join("gnupg");
        fs::create_dir_all(&home)?;
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700))?;
        let key = Self { binary: folder.join("archive.gpg"), armoured: folder.join("archive.asc"), home };
        key.gpg(&["--quick-gen-key", "Test Archive <archive@example.org>", "ed25519", "sign", "never"])?;
        key.gpg(&["--output", text(&key.binary), "--export"])?;
        key.gpg(&["--output", text(&key.armoured), "--armor", "--export"])?;
        Ok(key)
    }

    /// Writes the secret key, armoured, and returns its file.
    ///
    /// # Errors
    ///
    /// When gpg fails.
    pub fn secret(&self) -> Result<PathBuf> {
        let path = self.home.with_file_name("secret.asc");
        self.gpg(&["--output", text(&path), "--armor", "--export-secret-keys"])?;
        Ok(path)
    }

    fn gpg(&self, arguments: &[&str]) -> Result<()> {
        let fixed =
            ["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", "--homedir"];
        run(Command::new("gpg").args(fixed).arg(&self.home).args(arguments)).map(drop)
    }

    /// Signs the Release file in `folder` in one way or both: `InRelease`, `Release.gpg`.
    fn sign(&self, folder: &Path) -> Result<()> {
        let release = folder.join("Release");
        let inline = folder.join("InRelease");
        self.gpg(&["--output", text(&inline), "--clearsign", text(&release)])?;
        let apart = folder.join("Release.gpg");
        self.gpg(&["--output", text(&apart), "--armor", "--detach-sign", text(&release)])
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // gpg starts an agent for its home.
        let ended =
            Command::new("gpgconf").args(["--homedir", text(&self.home), "--kill", "gpg-agent"]).status();
        if let Err(error) = ended {
            eprintln!("gpg's agent stays: {error}");
        }
    }
}

/// A package to be made.
#[derive(Debug, Clone, Copy)]
pub struct Package<'a> {
    /// Name.
    pub name: &'a str,
    /// Version.
    pub version: &'a str,
    /// Further fields of its control file, each line ended.
    pub fields: &'a str,
    /// Files: paths without leading slash, and contents.
    pub files: &'a [(&'a str, &'a str)],
}

impl Package<'_> {
    /// Makes the .deb in `folder`.
    ///
    /// # Errors
    ///
    /// When dpkg-deb fails.
    pub fn make(&self, folder: &Path) -> Result<PathBuf> {
        let Self { name, version, fields, files } = self;
        let source = folder.join(format!("{name}.source"));
        fs::create_dir_all(source.join("DEBIAN"))?;
        let architecture = if fields.contains("Architecture:") { "" } else { "Architecture: all\n" };
        let control = format!(
            "Package: {name}\nVersion: {version}\n{architecture}Maintainer: nobody <nobody@example.org>\n{fields}\
             Description: made for a test\n"
        );
        fs::write(source.join("DEBIAN/control"), control)?;
        let mut sums = String::new();
        for (path, content) in *files {
            let file = source.join(path);
            fs::create_dir_all(file.parent().context("a path below a folder")?)?;
            fs::write(&file, content)?;
            let sum = run(Command::new("md5sum").arg(&file))?;
            sums += &format!("{}  {path}\n", sum.split(' ').next().unwrap_or_default());
        }
        fs::write(source.join("DEBIAN/md5sums"), sums)?;
        let deb = folder.join(format!("{name}_{version}_all.deb"));
        let build = ["--root-owner-group", "--uniform-compression", "-Zxz", "--build"];
        run(Command::new("dpkg-deb").args(build).arg(&source).arg(&deb))?;
        fs::remove_dir_all(&source)?;
        Ok(deb)
    }
}

/// Makes a repository with `dists/SUITE` in `root` of the .debs in `root/pool`. `fields` are of apt-ftparchive's
/// release section, for example `("Origin", "Vendor")`.
///
/// # Errors
///
/// When a tool fails.
pub fn make_suite(root: &Path, suite: &str, fields: &[(&str, &str)], key: &Key) -> Result<()> {
    let folder = root.join("dists").join(suite);
    let lists = folder.join("main/binary-amd64");
    fs::create_dir_all(&lists)?;
    fs::write(lists.join("Packages"), scan(root, "pool")?)?;
    run(Command::new("xz").args(["--keep", "--force"]).arg(lists.join("Packages")))?;
    let architectures =
        [("Suite", suite), ("Codename", suite), ("Architectures", "amd64"), ("Components", "main")];
    let given: Vec<_> = architectures.iter().chain(fields).copied().collect();
    release(&folder, &given)?;
    key.sign(&folder)
}

/// Makes a flat repository of the .debs in `root`.
///
/// # Errors
///
/// When a tool fails.
pub fn make_flat(root: &Path, fields: &[(&str, &str)], key: &Key) -> Result<()> {
    fs::write(root.join("Packages"), scan(root, ".")?)?;
    release(root, fields)?;
    key.sign(root)
}

fn scan(root: &Path, folder: &str) -> Result<String> {
    run(Command::new("dpkg-scanpackages").args(["--multiversion", folder]).current_dir(root))
}

fn release(folder: &Path, fields: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new("apt-ftparchive");
    for (name, value) in fields {
        command.arg("-o").arg(format!("APT::FTPArchive::Release::{name}={value}"));
    }
    let text = run(command.args(["release", "."]).current_dir(folder))?;
    fs::write(folder.join("Release"), text)?;
    Ok(())
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
