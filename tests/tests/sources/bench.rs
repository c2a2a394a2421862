//! A recipe in a folder of its own, built by the real program, and the tree that came of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use integration_tests::archive::Key;
use integration_tests::mirror::{Mirror, Source, debian_mirrors};
use integration_tests::program::{bootwright, shared_cache};
use integration_tests::scratch::Scratch;

/// A folder for a recipe, its files and its outputs.
pub struct Bench {
    scratch: Scratch,
    cache: PathBuf,
}

impl Bench {
    /// With the cache that tests share.
    pub fn new(name: &str) -> Self {
        Self { scratch: Scratch::new(name), cache: shared_cache() }
    }

    /// With an empty cache, to look into afterwards.
    pub fn with_own_cache(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let cache = scratch.path().join("cache");
        Self { scratch, cache }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Makes a folder and returns it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("a folder");
        path
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the scratch")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// Writes a recipe for a bookworm minbase tree: `distribution` adds lines to that key, `rest` to the recipe.
    pub fn recipe(&self, distribution: &str, rest: &str) -> PathBuf {
        self.recipe_of(
            "{ suite: bookworm, variant: minbase, security: false, updates: false }",
            distribution,
            rest,
        )
    }

    /// The same of another `debian`.
    pub fn recipe_of(&self, debian: &str, distribution: &str, rest: &str) -> PathBuf {
        let indented: String = distribution.lines().map(|line| format!("  {line}\n")).collect();
        let text = format!(
            "version: 1\nname: built\ndistribution:\n  debian: {debian}\n{indented}outputs: [tree]\n{rest}\n"
        );
        self.write("recipe.yaml", text)
    }

    /// Runs a verb on the recipe; its arguments come last.
    pub fn run(&self, verb: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(bootwright());
        command.args([verb, "--progress", "plain", "--verbose"]).arg(self.path("recipe.yaml"));
        command.env("BOOTWRIGHT_LOG", "trace").env_remove("BOOTWRIGHT_MIRROR");
        if verb == "build" {
            command.arg("--output").arg(self.path("out")).arg("--cache").arg(&self.cache);
        }
        command.args(arguments).output().expect("bootwright starts")
    }

    /// Builds the recipe and returns the tree.
    pub fn build(&self, arguments: &[&str]) -> Tree {
        let output = self.run("build", arguments);
        assert!(output.status.success(), "{}", said(&output));
        Tree(self.path("out/built.tree"))
    }

    /// Demands that a verb ends with `code` and says `words`; returns all it said.
    pub fn refused_with_tree(&self, verb: &str, arguments: &[&str], code: i32, words: &[&str]) -> String {
        let output = self.run(verb, arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "expected '{word}' in:\n{said}");
        }
        said
    }

    /// The same where nothing was built before, so that nothing may be in the output folder.
    pub fn refused(&self, verb: &str, arguments: &[&str], code: i32, words: &[&str]) -> String {
        let said = self.refused_with_tree(verb, arguments, code, words);
        assert!(files_below(&self.path("out")).is_empty(), "artifacts were left");
        said
    }

    /// The manifest of what was built.
    pub fn manifest(&self) -> serde_json::Value {
        let text = fs::read(self.path("out/built.manifest.json")).expect("a manifest");
        serde_json::from_slice(&text).expect("JSON")
    }
}

/// Everything a run printed.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_below(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// A built tree.
pub struct Tree(PathBuf);

impl Tree {
    pub fn path(&self, inside: &str) -> PathBuf {
        self.0.join(inside)
    }

    pub fn read(&self, inside: &str) -> String {
        fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("reading '{inside}': {error}"))
    }

    pub fn has(&self, inside: &str) -> bool {
        self.path(inside).symlink_metadata().is_ok()
    }

    /// Runs a command line in the tree by `chroot`, with this machine's `/dev` and network.
    pub fn shell(&self, script: &str) -> String {
        let root = self.0.to_str().expect("test paths are UTF-8");
        let outer = "mount --make-rprivate /; mount --bind /dev \"$1/dev\"; mount -t proc proc \"$1/proc\"; \
                     exec chroot \"$1\" /bin/sh -ec \"$2\"";
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-ec", outer, "sh", root, script])
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .expect("unshare starts");
        assert!(output.status.success(), "{script}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The version of an installed package, or nothing.
    pub fn version(&self, package: &str) -> String {
        let format = "--showformat=${db:Status-Abbrev}${Version}";
        let output = Command::new("dpkg-query")
            .arg(format!("--admindir={}", self.path("var/lib/dpkg").display()))
            .args(["--show", format, package])
            .output()
            .expect("dpkg-query starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.strip_prefix("ii ").unwrap_or_default().to_owned()
    }

    /// Demands that dpkg of this machine finds nothing wrong.
    pub fn audit(&self) {
        let output =
            Command::new("dpkg").arg("--root").arg(&self.0).arg("--audit").output().expect("dpkg starts");
        assert!(output.status.success() && output.stdout.is_empty(), "dpkg --audit: {}", said(&output));
    }
}

/// The Debian mirror on loopback, so that a tree's own apt reaches it without a resolver; for the whole run.
pub fn debian() -> &'static Mirror {
    static MIRROR: OnceLock<Mirror> = OnceLock::new();
    MIRROR.get_or_init(|| {
        let (upstream, _) = debian_mirrors().expect("apt has sources");
        Mirror::start(Source::Upstream(upstream), Box::new(|_, _| None)).expect("a loopback port")
    })
}

/// The key that signs the archives of these tests, and one that nobody was told of.
pub fn keys() -> &'static (Key, Key) {
    static KEYS: OnceLock<(Key, Key)> = OnceLock::new();
    KEYS.get_or_init(|| {
        let scratch = Scratch::for_the_run("keys");
        let make = |name: &str| {
            let folder = scratch.join(name);
            fs::create_dir_all(&folder).expect("a folder");
            Key::make(&folder).expect("gpg makes a key")
        };
        (make("known"), make("stranger"))
    })
}

/// Shows a path in a recipe.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
