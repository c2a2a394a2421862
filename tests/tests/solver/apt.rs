//! apt as a witness: a tree of its own, its indexes, and what it would install.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use bootwright::plan::{PackageRequest, Variant, Want};
use integration_tests::indexes::Index;

use crate::lists::List;

/// What apt makes of a request.
pub enum Outcome {
    /// Names and versions.
    Chosen(BTreeSet<(String, String)>),
    /// The end of its words.
    Refused(String),
}

type Chosen = BTreeSet<(String, String)>;

/// apt of one suite, with the suite's indexes.
pub struct Apt {
    /// Where the suite's own apt lives; none if this machine's apt is the suite's.
    root: Option<PathBuf>,
    /// `Dir` of apt, as the machine sees it.
    folder: PathBuf,
    codename: String,
    pub indexes: Vec<Index>,
    /// What is installed before the second step, without and with Recommends.
    essential: BTreeMap<bool, Chosen>,
}

impl Apt {
    /// Fetches the indexes of a suite, its updates and its security updates; what an earlier run fetched is refreshed.
    pub fn set_up(suite: &str) -> Result<Self> {
        let top = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("solver-{suite}"));
        let root = if suite == host_codename()? { None } else { Some(foreign_root(&top, suite)?) };
        let folder = root.as_deref().unwrap_or(&top).join("solver");
        let mut apt = Self {
            root,
            folder,
            codename: suite.to_owned(),
            indexes: Vec::new(),
            essential: BTreeMap::new(),
        };
        apt.write_configuration()?;
        apt.run(&["update", "-qq"], "empty", &[]).context("running apt-get update")?;
        apt.indexes = Index::load_release(&apt.folder.join("lists"), suite)?;
        for recommends in [false, true] {
            let chosen = apt.choose_essential(recommends)?;
            apt.essential.insert(recommends, chosen);
        }
        Ok(apt)
    }

    fn write_configuration(&self) -> Result<()> {
        for name in ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "lists/partial"]
        {
            std::fs::create_dir_all(self.folder.join(name))?;
        }
        for name in ["empty", "essential-false", "essential-true"] {
            std::fs::create_dir_all(self.folder.join("cache").join(name).join("archives/partial"))?;
        }
        std::fs::write(self.folder.join("status-empty"), "")?;
        let (main, security) = mirrors()?;
        let suite = &self.codename;
        let keys = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
        let sources = format!(
            "deb {keys} {main} {suite} main\ndeb {keys} {main} {suite}-updates main\ndeb {keys} {security} {suite}-security main\n"
        );
        std::fs::write(self.folder.join("etc/apt/sources.list"), sources)?;
        let inside = self.inside("");
        let configuration = format!(
            "Dir \"{inside}\";\nDir::State \"{inside}\";\nDir::State::lists \"{inside}/lists\";\n\
             APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\nAcquire::Languages \"none\";\n\
             Acquire::GzipIndexes \"false\";\nAPT::Sandbox::User \"root\";\npkgCacheGen::ForceEssential \",\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
        );
        std::fs::write(self.folder.join("apt.conf"), configuration)?;
        Ok(())
    }

    /// Returns a path below the folder as apt sees it.
    fn inside(&self, name: &str) -> String {
        let folder = match &self.root {
            Some(root) => Path::new("/").join(self.folder.strip_prefix(root).unwrap_or(&self.folder)),
            None => self.folder.clone(),
        };
        folder.join(name).display().to_string().trim_end_matches('/').to_owned()
    }

    fn command(&self, status: &str, options: &[String]) -> Command {
        let mut command = match &self.root {
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg("apt-get");
                command
            }
            None => Command::new("apt-get"),
        };
        command.env("APT_CONFIG", self.inside("apt.conf")).env("LC_ALL", "C.UTF-8");
        command.arg(format!("-oDir::State::status={}", self.inside(&format!("status-{status}"))));
        command.arg(format!("-oDir::Cache={}", self.inside(&format!("cache/{status}"))));
        command.args(options);
        command
    }

    fn run(&self, arguments: &[&str], status: &str, options: &[String]) -> Result<Output> {
        let output = self.command(status, options).args(arguments).output().context("starting apt-get")?;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "apt-get {arguments:?} failed: {complaint}");
        Ok(output)
    }

    fn choose_essential(&self, recommends: bool) -> Result<Chosen> {
        let options = [recommends_option(recommends)];
        let output = self.run(&["-s", "install", &self.pattern("?essential")], "empty", &options)?;
        let chosen = installed(&String::from_utf8(output.stdout)?);
        let mut status = String::new();
        for index in &self.indexes {
            for stanza in index.text.split("\n\n") {
                let (Some(name), Some(version)) = (field(stanza, "Package"), field(stanza, "Version")) else {
                    continue;
                };
                if chosen.contains(&(name.to_owned(), version.to_owned())) {
                    let stanza = stanza.trim_end().replacen('\n', "\nStatus: install ok installed\n", 1);
                    writeln!(status, "{stanza}\n")?;
                }
            }
        }
        let path = self.folder.join(format!("status-essential-{recommends}"));
        // A file that is not touched lets apt keep its cache.
        if std::fs::read_to_string(&path).ok().as_deref() != Some(&status) {
            std::fs::write(path, status)?;
        }
        Ok(chosen)
    }

    fn pattern(&self, what: &str) -> String {
        format!("?narrow(?codename(^{}$),?architecture(amd64),{what})", self.codename)
    }

    /// Asks apt for a list of packages.
    pub fn choose(&self, list: &List, request: &PackageRequest) -> Result<Outcome> {
        let before = match request.variant {
            Variant::Custom => BTreeSet::new(),
            _ => self.essential[&request.recommends].clone(),
        };
        let base = match request.variant {
            Variant::Custom | Variant::Essential => None,
            Variant::Minbase => Some("?priority(required)"),
            Variant::Important => Some("?or(?priority(required),?priority(important))"),
            Variant::Standard => Some("?or(~prequired,~pimportant,~pstandard)"),
        };
        let mut terms: Vec<String> =
            request.terms.iter().map(|term| written(&term.name, &term.want)).collect();
        terms.extend(base.map(|base| self.pattern(&format!("?and({base},?not(?essential))"))));
        if terms.is_empty() {
            return Ok(Outcome::Chosen(before));
        }
        let status = match request.variant {
            Variant::Custom => "empty".to_owned(),
            _ => format!("essential-{}", request.recommends),
        };
        let mut options = vec![recommends_option(request.recommends)];
        if !list.pins.is_empty() {
            std::fs::write(self.folder.join("preferences"), self.preferences(list.pins))?;
            options.push(format!("-oDir::Etc::preferences={}", self.inside("preferences")));
        }
        let output = self.command(&status, &options).args(["-s", "install"]).args(&terms).output()?;
        let text = String::from_utf8(output.stdout)?;
        let fallback =
            String::from_utf8_lossy(&output.stderr).contains("Result calculated by the 3.0 solver");
        if !output.status.success() || fallback {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            return Ok(Outcome::Refused(format!("{}\n{complaint}", text.lines().last().unwrap_or_default())));
        }
        let mut chosen = before;
        let removed: BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("Remv ")?.split(' ').next()).collect();
        let new = installed(&text);
        chosen.retain(|(name, _)| {
            !removed.contains(name.as_str()) && !new.iter().any(|(other, _)| other == name)
        });
        chosen.extend(new);
        Ok(Outcome::Chosen(chosen))
    }

    fn preferences(&self, pins: &[(&str, i32)]) -> String {
        let mut text = String::new();
        for index in &self.indexes {
            for (_, pin) in pins.iter().filter(|(suffix, _)| index.codename.ends_with(suffix)) {
                let codename = &index.codename;
                text += &format!("Package: *\nPin: release n={codename}\nPin-Priority: {pin}\n\n");
            }
        }
        text
    }

    /// Returns the version of a package in the release itself.
    pub fn release_version(&self, name: &str) -> Result<String> {
        let start = format!("Package: {name}\n");
        let stanza = self.indexes[0].text.split("\n\n").find(|stanza| stanza.starts_with(&start));
        let version = stanza.and_then(|stanza| field(stanza, "Version"));
        Ok(version.with_context(|| format!("'{name}' is not in the release"))?.to_owned())
    }

    /// Returns the names of the release's packages.
    pub fn package_names(&self) -> Vec<&str> {
        self.indexes[0].text.lines().filter_map(|line| line.strip_prefix("Package: ")).collect()
    }
}

fn recommends_option(recommends: bool) -> String {
    format!("-oAPT::Install-Recommends={recommends}")
}

fn written(name: &str, want: &Want) -> String {
    match want {
        Want::Install => name.to_owned(),
        Want::Version(version) => format!("{name}={version}"),
        Want::Suite(suite) => format!("{name}/{suite}"),
        Want::Never => format!("{name}-"),
        Want::File(path) => path.display().to_string(),
    }
}

fn field<'t>(stanza: &'t str, name: &str) -> Option<&'t str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Reads `Inst name [old] (version …)` lines.
fn installed(text: &str) -> Chosen {
    let read = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        let version = rest.split_once('(')?.1.split(' ').next()?;
        Some((name.to_owned(), version.to_owned()))
    };
    text.lines().filter_map(read).collect()
}

/// Returns the codename of the release this machine runs.
pub fn host_codename() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release").context("reading '/etc/os-release'")?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.context("'/etc/os-release' names no VERSION_CODENAME")?.trim_matches('"').to_owned())
}

/// Returns the addresses of the Debian archive and its security archive that this machine's apt uses.
fn mirrors() -> Result<(String, String)> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(CODENAME) $(ORIGIN)", "Identifier: Packages"])
        .output()
        .context("running apt-get indextargets")?;
    let text = String::from_utf8(output.stdout)?;
    let find = |security: bool| {
        text.lines().find_map(|line| {
            let mut words = line.split(' ');
            let (uri, codename, origin) = (words.next()?, words.next()?, words.next()?);
            (origin == "Debian" && codename.ends_with("-security") == security).then(|| uri.to_owned())
        })
    };
    let main = find(false).context("this machine's apt sources name no Debian archive")?;
    let security = find(true).unwrap_or_else(|| "http://security.debian.org/debian-security".to_owned());
    Ok((main, security))
}

/// Makes a tree with the suite's own apt, once.
fn foreign_root(top: &Path, suite: &str) -> Result<PathBuf> {
    let root = top.join("root");
    if root.join("usr/bin/apt-get").exists() {
        return Ok(root);
    }
    std::fs::create_dir_all(top)?;
    let (main, _) = mirrors()?;
    let output = Command::new("mmdebstrap")
        .args(["--variant=apt", "--quiet", suite])
        .arg(&root)
        .arg(main)
        .output()
        .context("running mmdebstrap")?;
    ensure!(output.status.success(), "mmdebstrap failed: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf"))?;
    Ok(root)
}
