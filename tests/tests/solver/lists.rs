//! The lists of packages that are compared: written ones and drawn ones.

use std::fmt;

use anyhow::{Context, Result};
use bootwright::plan::{PackageRequest, PackageTerm, Variant, Want};

use crate::apt::Apt;

/// One request, as people write it.
#[derive(Debug, Clone)]
pub struct List {
    pub variant: Variant,
    pub recommends: bool,
    /// Terms in apt's forms; `=@release` stands for the version that the release itself has.
    pub terms: Vec<String>,
    pub pins: Pins,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recommends = if self.recommends { " +recommends" } else { "" };
        write!(f, "[{:?}{recommends}] {} {:?}", self.variant, self.terms.join(" "), self.pins)
    }
}

impl List {
    /// Returns the request that the list stands for.
    pub fn request(&self, apt: &Apt) -> Result<PackageRequest> {
        let terms = self.terms.iter().map(|text| term(text, apt)).collect::<Result<_>>()?;
        Ok(PackageRequest { variant: self.variant, terms, recommends: self.recommends })
    }
}

fn term(text: &str, apt: &Apt) -> Result<PackageTerm> {
    let (name, want) = if let Some((name, version)) = text.split_once('=') {
        let version = if version == "@release" { apt.release_version(name)? } else { version.to_owned() };
        (name, Want::Version(version))
    } else if let Some((name, suite)) = text.split_once('/') {
        let suite = suite.replace("@release", &apt.indexes[0].codename);
        (name, Want::Suite(suite))
    } else if let Some(name) = text.strip_suffix('-') {
        (name, Want::Never)
    } else {
        (text, Want::Install)
    };
    Ok(PackageTerm { name: name.to_owned(), want, origin: "list:1:1".to_owned() })
}

/// Pins of suites, by the end of their codename.
type Pins = &'static [(&'static str, i32)];

const NO_PINS: Pins = &[];

/// Lists as people write them, for servers, desktops and corner cases.
pub fn written() -> Vec<List> {
    use Variant::{Custom, Essential, Important, Minbase, Standard};
    let table: [(Variant, bool, &str, Pins); 46] = [
        (Essential, false, "", NO_PINS),
        (Minbase, false, "", NO_PINS),
        (Important, false, "", NO_PINS),
        (Standard, false, "", NO_PINS),
        (Standard, true, "", NO_PINS),
        (Minbase, false, "openssh-server curl ca-certificates", NO_PINS),
        (
            Minbase,
            false,
            "linux-image-cloud-amd64 systemd-sysv dbus openssh-server grub-pc-bin shim-signed",
            NO_PINS,
        ),
        (Minbase, false, "linux-image-amd64 grub-efi-amd64-signed shim-signed initramfs-tools", NO_PINS),
        (Important, true, "nginx postgresql redis-server", NO_PINS),
        (Important, false, "apache2 mariadb-server php php-fpm", NO_PINS),
        (Minbase, true, "default-mta", NO_PINS),
        (Minbase, false, "mail-transport-agent", NO_PINS),
        (Minbase, false, "postfix dovecot-imapd spamassassin", NO_PINS),
        (Minbase, true, "bsd-mailx", NO_PINS),
        (Minbase, true, "cron mailutils exim4-base-", NO_PINS),
        (Minbase, false, "mdadm exim4- postfix-", NO_PINS),
        (Standard, true, "task-ssh-server tasksel", NO_PINS),
        (Minbase, true, "gnome-core", NO_PINS),
        (Minbase, false, "kde-plasma-desktop", NO_PINS),
        (Important, true, "xfce4 lightdm firefox-esr", NO_PINS),
        (Minbase, true, "task-lxqt-desktop", NO_PINS),
        (Minbase, true, "texlive-latex-extra vim-gtk3 emacs", NO_PINS),
        (Minbase, true, "build-essential devscripts debhelper", NO_PINS),
        (Minbase, false, "gcc g++ gfortran clang llvm rustc cargo golang", NO_PINS),
        (Minbase, true, "default-jdk maven ant", NO_PINS),
        (Minbase, false, "python3 python3-pip python3-venv ipython3 jupyter-notebook", NO_PINS),
        (Minbase, true, "qemu-system-x86 libvirt-daemon-system virtinst", NO_PINS),
        (Minbase, false, "docker.io podman containerd", NO_PINS),
        (Minbase, true, "samba winbind krb5-user sssd", NO_PINS),
        (Minbase, false, "cloud-init cloud-guest-utils gdisk", NO_PINS),
        (Custom, false, "e2fsprogs dosfstools mtools fdisk", NO_PINS),
        (Custom, false, "systemd systemd-sysv udev", NO_PINS),
        (Custom, true, "bash coreutils", NO_PINS),
        (Custom, false, "ruby perl php-cli lua5.4 nodejs", NO_PINS),
        (Essential, false, "apt tzdata-", NO_PINS),
        (Minbase, false, "openssl=@release ca-certificates=@release", NO_PINS),
        (Minbase, false, "curl/@release libcurl4/@release", NO_PINS),
        (Minbase, false, "systemd-resolved network-manager-", NO_PINS),
        (Minbase, true, "network-manager wpasupplicant- modemmanager", NO_PINS),
        (Important, false, "sysvinit-core", NO_PINS),
        (Minbase, false, "runit-init", NO_PINS),
        (Minbase, false, "dbus-broker dbus-user-session libpam-systemd", NO_PINS),
        (Custom, true, "openssh-server curl apt", &[("-security", 100), ("-updates", 100)]),
        (Custom, false, "firefox-esr chromium perl", &[("-security", 1)]),
        (Minbase, false, "postfix exim4-daemon-light", NO_PINS),
        (Minbase, false, "no-such-package-at-all", NO_PINS),
    ];
    let list = |(variant, recommends, terms, pins): (_, _, &str, _)| List {
        variant,
        recommends,
        terms: terms.split_whitespace().map(str::to_owned).collect(),
        pins,
    };
    table.into_iter().map(list).collect()
}

/// Draws lists; the same seed draws the same ones from the same index.
pub struct Random {
    pub count: usize,
    pub seed: u64,
    state: u64,
}

impl Random {
    pub fn from_environment() -> Result<Self> {
        let read = |name: &str| {
            let value = std::env::var(name).ok();
            value
                .map(|text| text.parse::<u64>().with_context(|| format!("{name} is not a number")))
                .transpose()
        };
        let count = read("BOOTWRIGHT_SOLVER_RANDOM")?.unwrap_or(15) as usize;
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
        let seed = read("BOOTWRIGHT_SOLVER_SEED")?.unwrap_or(clock);
        Ok(Self { count, seed, state: seed ^ 0x9e37_79b9_7f4a_7c15 })
    }

    pub fn lists(&mut self, names: &[&str]) -> Vec<List> {
        (0..self.count).map(|_| self.list(names)).collect()
    }

    fn list(&mut self, names: &[&str]) -> List {
        let variants =
            [Variant::Custom, Variant::Essential, Variant::Minbase, Variant::Minbase, Variant::Important];
        let variant = variants[self.below(variants.len())];
        let recommends = self.below(2) == 0;
        let mut terms: Vec<String> =
            (0..1 + self.below(7)).map(|_| names[self.below(names.len())].to_owned()).collect();
        if self.below(4) == 0 {
            terms.push(format!("{}-", names[self.below(names.len())]));
        }
        List { variant, recommends, terms, pins: NO_PINS }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % limit
    }
}
