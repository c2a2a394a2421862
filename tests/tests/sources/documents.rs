//! Bill of materials and provenance of packages from elsewhere: whose they are, and nothing of this machine.

use integration_tests::archive::{Package, make_flat, make_suite};
use integration_tests::mirror::Mirror;
use integration_tests::python::{check_provenance, check_spdx};
use serde_json::Value;

use crate::bench::{Bench, debian, keys, text};

const fn package(name: &'static str) -> Package<'static> {
    Package { name, version: "1:2+3", fields: "", files: &[("usr/share/x", "x\n")] }
}

#[test]
fn packages_from_elsewhere_are_told_without_a_path_of_this_machine() {
    let bench = Bench::new("documents");
    let served = bench.folder("served");
    package("vendor-tool").make(&bench.folder("served/pool")).expect("dpkg-deb");
    make_suite(&served, "stable", &[("Origin", "Vendor")], &keys().0).expect("a suite");
    let server = Mirror::of_folder(served).expect("a loopback port");
    let files = bench.folder("files");
    let other = Package { files: &[("usr/share/y", "y\n")], ..package("file-tool") };
    other.make(&files).expect("dpkg-deb");
    make_flat(&files, &[("Origin", "Files")], &keys().0).expect("a repository");
    let local = Package { files: &[("usr/share/z", "z\n")], ..package("local-tool") };
    let local = local.make(&bench.folder("debs")).expect("dpkg-deb");
    let repository = |uri: &str, rest: &str| {
        format!("  - {{ uri: \"{uri}\", {rest}, signed_by: {} }}\n", text(&keys().0.binary))
    };
    let distribution = format!(
        "repositories:\n{}{}",
        repository(&server.uri(), "suite: stable, components: [main]"),
        repository(&format!("file://{}", text(&files)), "suite: ./")
    );
    bench.recipe(&distribution, &format!("packages: [vendor-tool, file-tool, {}]\n", text(&local)));
    bench.build(&["--mirror", &debian().uri()]);
    let (bill, provenance) = (bench.path("out/built.spdx.json"), bench.path("out/built.provenance.json"));
    check_provenance(text(&provenance));
    let read = |path| std::fs::read_to_string(path).expect("a document");
    let (bill, provenance) = (read(&bill), read(&provenance));
    // The reference tool knows no address without a domain.
    let named = bill.replace(&server.uri(), "http://archive.example.org");
    check_spdx(text(&bench.write("named.spdx.json", named)));
    for document in [&bill, &provenance] {
        assert!(!document.contains(text(&bench.path(""))), "a path of this machine");
        assert!(!document.contains("file:/"), "an address of this machine");
        assert!(!document.contains(&debian().uri()), "the mirror of this machine");
    }
    let document: Value = serde_json::from_str(&bill).expect("JSON");
    let told = |name: &str| {
        let packages = document["packages"].as_array().expect("a list");
        let package = packages.iter().find(|package| package["name"] == name).expect("it is told");
        let field = |field: &Value| field.as_str().expect("text").to_owned();
        (field(&package["externalRefs"][0]["referenceLocator"]), field(&package["downloadLocation"]))
    };
    let (purl, address) = told("vendor-tool");
    assert!(purl.starts_with("pkg:deb/vendor/vendor-tool@1:2%2B3?arch=all"), "{purl}");
    assert!(address.starts_with(&server.uri()), "{address}");
    let (purl, address) = told("file-tool");
    assert!(purl.starts_with("pkg:deb/files/file-tool@1:2%2B3?arch=all"), "{purl}");
    assert_eq!(address, "NOASSERTION");
    let (purl, address) = told("local-tool");
    assert_eq!(
        (purl.as_str(), address.as_str()),
        ("pkg:deb/debian/local-tool@1:2%2B3?arch=all&distro=bookworm", "NOASSERTION")
    );
}
