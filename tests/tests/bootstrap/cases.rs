//! The lists of packages whose trees are compared, and which of them one run takes.
//!
//! `BOOTWRIGHT_TREES` says how many of the lists with hard maintainer scripts are drawn (default 1), or `all`: every
//! list on every suite. `BOOTWRIGHT_TREES_SEED` (default: the clock) decides which.

use std::fmt;

use anyhow::{Context, Result, ensure};
use bootwright::plan::Variant;

/// Packages on top of a variant.
#[derive(Debug)]
pub struct List {
    /// Short name.
    pub name: &'static str,
    /// mmdebstrap's and our own variant.
    pub variant: Variant,
    /// Further packages, separated by blanks.
    pub include: &'static str,
    /// Whether Recommends are installed.
    pub recommends: bool,
    /// When a run takes it.
    taken: Taken,
}

/// When a list is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// On every suite, always.
    Always,
    /// On the first suite, always.
    OnFirst,
    /// When it is drawn.
    Drawn,
    /// Only when all are: it takes minutes.
    WithAll,
}

/// Releases, the oldest first.
pub const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// The list whose tree the package usrmerge converts; all others are merged from the start.
const CONVERTED: &str = "usrmerge";

const MINBASE: List =
    List { name: "", variant: Variant::Minbase, include: "", recommends: false, taken: Taken::Drawn };

/// Whole variants, the image of the first recipe, and lists with hard maintainer scripts: accounts made and used by
/// others, databases, alternatives, diversions, triggers that many share, stat overrides, files taken over.
pub const LISTS: &[List] = &[
    List { name: "minbase", taken: Taken::Always, ..MINBASE },
    List { name: "standard", variant: Variant::Standard, ..MINBASE },
    List { name: CONVERTED, taken: Taken::OnFirst, ..MINBASE },
    List {
        name: "debian-minimal",
        include: "systemd-sysv udev dbus systemd-resolved linux-image-cloud-amd64 initramfs-tools zstd e2fsprogs \
                  dosfstools grub-pc-bin grub2-common grub-efi-amd64-signed shim-signed openssh-server iproute2 \
                  sudo curl ca-certificates",
        taken: Taken::OnFirst,
        ..MINBASE
    },
    List { name: "postgresql", include: "postgresql postgresql-contrib ssl-cert", ..MINBASE },
    List { name: "mariadb", include: "mariadb-server mariadb-client", ..MINBASE },
    List { name: "mail", include: "exim4-daemon-light bsd-mailx dovecot-imapd", ..MINBASE },
    List { name: "java", include: "default-jdk default-jre-headless ca-certificates-java ant", ..MINBASE },
    List {
        name: "python",
        include: "python3-pip python3-venv python3-numpy python3-scipy python3-django python3-requests ipython3 \
                  python3-matplotlib python3-twisted jupyter-notebook",
        ..MINBASE
    },
    List {
        name: "web",
        include: "apache2 php-fpm libapache2-mod-php ssl-cert php-mysql nginx-light",
        recommends: true,
        ..MINBASE
    },
    List {
        name: "containers",
        include: "docker.io libvirt-daemon-system qemu-system-x86 podman",
        taken: Taken::WithAll,
        ..MINBASE
    },
    List {
        name: "console",
        include: "console-setup keyboard-configuration linux-image-amd64 grub-pc lvm2 cryptsetup-initramfs mdadm \
                  plymouth",
        ..MINBASE
    },
    List {
        name: "text",
        include: "emacs-nox texlive-latex-recommended dictionaries-common wamerican aspell-en hunspell-en-us \
                  fontconfig fonts-dejavu locales-all sgml-base docbook-xml man-db",
        taken: Taken::WithAll,
        ..MINBASE
    },
    // Without slapd: its database draws an identifier for each of its entries.
    List { name: "postfix", include: "postfix samba winbind krb5-user sssd", recommends: true, ..MINBASE },
    // Recommends bring apt-extracttemplates with the base set, so that apt asks debconf's questions before it unpacks.
    List { name: "asked-before", include: "libpaper-utils man-db", recommends: true, ..MINBASE },
    List {
        name: "desktop",
        include: "task-xfce-desktop",
        recommends: true,
        taken: Taken::WithAll,
        ..MINBASE
    },
];

impl List {
    /// Returns whether the tree's folders are merged by the package usrmerge, at its configuration.
    pub fn is_converted(&self) -> bool {
        self.name == CONVERTED
    }
}

/// A list on a suite.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The packages.
    pub list: &'static List,
    /// The release.
    pub suite: &'static str,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.suite, self.list.name)
    }
}

/// Every list on every suite that has what it is about.
fn all() -> impl Iterator<Item = Case> {
    let every = SUITES.into_iter().flat_map(|suite| LISTS.iter().map(move |list| Case { list, suite }));
    // From trixie on every tree is merged from the start.
    every.filter(|case| case.suite == SUITES[0] || !case.list.is_converted())
}

/// Returns the case of this name, such as `trixie-minbase`.
///
/// # Errors
/// An unknown name.
pub fn find(name: &str) -> Result<Case> {
    all().find(|case| case.to_string() == name).with_context(|| format!("there is no case '{name}'"))
}

/// Returns the cases named by list, by suite, or by both; without names those that the environment says.
///
/// # Errors
/// A name that is none, or a variable that is no number.
pub fn choose(names: &[String]) -> Result<Vec<Case>> {
    if names.is_empty() {
        return from_environment();
    }
    let mut chosen = Vec::new();
    for name in names {
        let before = chosen.len();
        let named = |case: &Case| case.list.name == *name || case.suite == *name || case.to_string() == *name;
        chosen.extend(all().filter(named));
        ensure!(chosen.len() > before, "there is no list, suite or case '{name}'");
    }
    Ok(chosen)
}

fn from_environment() -> Result<Vec<Case>> {
    let wanted = std::env::var("BOOTWRIGHT_TREES").unwrap_or_else(|_| "1".to_owned());
    if wanted == "all" {
        return Ok(all().collect());
    }
    let count: usize = wanted.parse().context("BOOTWRIGHT_TREES is neither a number nor 'all'")?;
    let seed = match std::env::var("BOOTWRIGHT_TREES_SEED") {
        Ok(seed) => seed.parse().context("BOOTWRIGHT_TREES_SEED is not a number")?,
        Err(_) => std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs(),
    };
    println!("drawing {count} lists with BOOTWRIGHT_TREES_SEED={seed}");
    let always = |case: &Case| match case.list.taken {
        Taken::Always => true,
        Taken::OnFirst => case.suite == SUITES[0],
        Taken::Drawn | Taken::WithAll => false,
    };
    let mut drawn: Vec<Case> = all().filter(|case| case.list.taken == Taken::Drawn).collect();
    drawn.sort_by_key(|case| mixed(seed, &case.to_string()));
    Ok(all().filter(always).chain(drawn.into_iter().take(count)).collect())
}

/// Returns a number that looks drawn: FNV-1a of the seed and a name.
fn mixed(seed: u64, name: &str) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
