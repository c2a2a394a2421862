//! Bill of materials, provenance and signature: outside programs read them, and they tell what is in the image.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use integration_tests::archive::Key;
use integration_tests::program::{bootwright, debian_minimal, shared_cache};
use integration_tests::python::{check_provenance, check_spdx};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;
use serde_json::Value;
use sha2::{Digest, Sha256};

const RECIPE: &str = "\
version: 1
name: told
architecture: amd64
distribution: { debian: { suite: bookworm, variant: essential, updates: false, security: false }, mirror: auto }
outputs: [tar]
";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(bootwright());
    command.args(arguments).arg("--cache").arg(shared_cache()).current_dir(folder);
    command.env_remove("BOOTWRIGHT_SIGN_KEY_PASSWORD").stdin(Stdio::null()).output().expect("it starts")
}

fn build(folder: &Path, arguments: &[&str]) {
    fs::write(folder.join("recipe.yaml"), RECIPE).expect("a recipe");
    let output = run(folder, &[&["build", "recipe.yaml"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn digest(path: &Path) -> String {
    Sha256::digest(fs::read(path).expect("a file")).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The packages of a document that are no images.
fn packages(document: &Value) -> Vec<&Value> {
    let all = document["packages"].as_array().expect("a list").iter();
    all.filter(|package| package["packageFileName"].is_null()).collect()
}

fn related(document: &Value, kind: &str) -> BTreeSet<(String, String)> {
    let all = document["relationships"].as_array().expect("a list").iter();
    let end = |one: &Value, key: &str| one[key].as_str().expect("a name").to_owned();
    all.filter(|one| one["relationshipType"] == kind)
        .map(|one| (end(one, "spdxElementId"), end(one, "relatedSpdxElement")))
        .collect()
}

/// What dpkg itself says of the packages in an archive of a tree: name, version, source, its version, architecture.
fn of_dpkg(folder: &Path, archive: &str) -> BTreeSet<String> {
    witness("tar", &["-C", text(folder), "-xf", archive, "./var/lib/dpkg/status"]);
    let admin = format!("--admindir={}", text(&folder.join("var/lib/dpkg")));
    let format = "${Package} ${Version} ${source:Package} ${source:Version} ${Architecture}\n";
    witness("dpkg-query", &[&admin, "--show", "-f", format]).lines().map(str::to_owned).collect()
}

#[test]
fn outside_programs_read_the_documents_and_dpkg_agrees() {
    let scratch = Scratch::new("told");
    build(scratch.path(), &[]);
    let file = |ending: &str| scratch.path().join("out").join(format!("told.{ending}"));
    let (image, bill, provenance) = (file("tar"), file("spdx.json"), file("provenance.json"));
    check_spdx(text(&bill));
    let dependencies = check_provenance(text(&provenance));
    let (document, statement, manifest) = (json(&bill), json(&provenance), json(&file("manifest.json")));

    // Images, bill, provenance, manifest, checksums: each names those before it.
    assert_eq!(document["packages"][0]["checksums"][0]["checksumValue"], digest(&image).as_str());
    assert_eq!(statement["subject"][0]["name"], "told.tar");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest(&image).as_str());
    let byproduct = &statement["predicate"]["runDetails"]["byproducts"][0];
    assert_eq!(byproduct["digest"]["sha256"], digest(&bill).as_str());
    assert_eq!(manifest["documents"][0]["sha256"], digest(&bill).as_str());
    assert_eq!(manifest["documents"][1]["sha256"], digest(&provenance).as_str());
    let said = witness(
        "sh",
        &["-c", &format!("cd {} && sha256sum -c told.SHA256SUMS", text(&file("")).trim_end_matches("told."))],
    );
    assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), 4, "{said}");

    // Packages: dpkg's own view, the lock's digests, and every dependency that dpkg-query would find met.
    let shown = |package: &Value| {
        let field = |key: &str| package[key].as_str().expect("text").to_owned();
        let source = field("sourceInfo").replace("built package from: ", "");
        let architecture = field("SPDXID").rsplit('-').next().expect("a part").to_owned();
        format!("{} {} {source} {architecture}", field("name"), field("versionInfo"))
    };
    let ours: BTreeSet<String> = packages(&document).into_iter().map(shown).collect();
    assert_eq!(ours, of_dpkg(scratch.path(), text(&image)));
    let locked = manifest["packages"].as_array().expect("a list");
    for package in packages(&document) {
        let entry = locked.iter().find(|entry| entry["name"] == package["name"]).expect("locked");
        assert_eq!(package["checksums"][0]["checksumValue"], entry["sha256"]);
        let (address, name) = (&package["downloadLocation"], entry["filename"].as_str().expect("text"));
        assert!(address.as_str().expect("text").ends_with(name), "{address}");
        assert!(!package["supplier"].as_str().expect("text").contains('<'), "{package}");
    }
    assert_eq!(related(&document, "CONTAINS").len(), locked.len());
    let depends = related(&document, "DEPENDS_ON");
    for (one, other) in [("libpam0g-amd64", "debconf-all"), ("bash-amd64", "base-files-amd64")] {
        let name = |name: &str| format!("SPDXRef-Package-{name}");
        assert!(depends.contains(&(name(one), name(other))), "{one} needs {other}");
    }

    // The inputs of the recipe, its Release file, and each package.
    assert_eq!(dependencies, 2 + locked.len());
    let definition = &statement["predicate"]["buildDefinition"];
    let recipe = &definition["externalParameters"]["recipe"]["digest"]["sha256"];
    assert_eq!(recipe, &manifest["recipe_sha256"]);
    let release = &definition["resolvedDependencies"][1];
    assert_eq!(release["digest"]["sha256"], manifest["releases"][0]["sha256"]);
}

#[test]
fn the_same_input_gives_the_same_documents() {
    let (one, other) = (Scratch::new("told-once"), Scratch::new("told-in-a-longer-folder"));
    build(one.path(), &[]);
    build(other.path(), &["--fresh", "--output", "elsewhere"]);
    build(one.path(), &["--output", "found"]);
    for ending in ["spdx.json", "provenance.json", "manifest.json", "SHA256SUMS"] {
        let read = |folder: PathBuf| fs::read(folder.join(format!("told.{ending}"))).expect("a file");
        let first = read(one.path().join("out"));
        assert!(first == read(other.path().join("elsewhere")), "{ending} of a fresh build");
        assert!(first == read(one.path().join("found")), "{ending} of a cached build");
    }
}

#[test]
fn a_key_signs_the_manifest_of_made_and_found_images_and_gpgv_agrees() {
    let scratch = Scratch::new("told-signed");
    let key = Key::make(scratch.path()).expect("gpg makes a key");
    let secret = key.secret().expect("gpg shows it");
    let (manifest, signature) =
        (scratch.path().join("out/told.manifest.json"), scratch.path().join("out/told.manifest.json.asc"));
    let verify = || {
        let said = witness("gpgv", &["--keyring", text(&key.binary), text(&signature), text(&manifest)]);
        assert!(said.contains("Good signature from \"Test Archive"), "{said}");
    };
    for arguments in [&["--fresh"][..], &[]] {
        build(scratch.path(), &[&["--sign-key", text(&secret)], arguments].concat());
        verify();
    }
    // What is as it was keeps its signature; a new set must not have an old one's.
    build(scratch.path(), &[]);
    verify();
    build(scratch.path(), &["--fresh"]);
    assert!(!signature.exists());
    for (file, words) in
        [(&key.armoured, "no OpenPGP secret key"), (&scratch.path().join("none"), "cannot be read")]
    {
        let output =
            run(scratch.path(), &["build", "recipe.yaml", "--output", "unsigned", "--sign-key", text(file)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(words), "{said}");
        assert!(!scratch.path().join("unsigned").exists(), "it is refused before anything is made");
    }
}

#[test]
fn inspect_prints_the_document_of_the_build_or_makes_one() {
    let image = debian_minimal();
    let scratch = Scratch::new("told-inspect");
    let bill = |image: &Path| {
        let output = run(scratch.path(), &["inspect", "--sbom", text(image)]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let document = fs::read(image.with_extension("spdx.json")).expect("the build wrote it");
    assert!(bill(image) == document);
    // The same image with no document, and with one that is of other bytes.
    let alone = scratch.path().join("alone.qcow2");
    fs::copy(image, &alone).expect("copied");
    let made = bill(&alone);
    fs::write(alone.with_extension("spdx.json"), &document).expect("written");
    assert!(bill(&alone) == document, "the document is of these bytes, whatever the name");
    let mut bytes = fs::OpenOptions::new().append(true).open(&alone).expect("opened");
    std::io::Write::write_all(&mut bytes, &[0; 512]).expect("appended");
    assert!(bill(&alone) != document);
    let path = scratch.path().join("made.json");
    fs::write(&path, &made).expect("written");
    check_spdx(text(&path));
    let (document, made): (Value, Value) =
        (serde_json::from_slice(&document).expect("JSON"), serde_json::from_slice(&made).expect("JSON"));
    let same = |key: &str| {
        let of = |document: &Value| packages(document).iter().map(|one| one[key].clone()).collect::<Vec<_>>();
        assert_eq!(of(&document), of(&made), "{key}");
    };
    ["name", "versionInfo", "supplier", "sourceInfo", "externalRefs"].iter().for_each(|key| same(key));
    assert_eq!(related(&document, "DEPENDS_ON"), related(&made, "DEPENDS_ON"));
    let none = scratch.path().join("none.raw");
    fs::write(&none, [0; 4096]).expect("written");
    let output = run(scratch.path(), &["inspect", "--sbom", text(&none)]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("keeps no dpkg database"), "{said}");
}
