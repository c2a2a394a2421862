//! `packages: [./local.deb]`.

use integration_tests::archive::Package;
use sha2::{Digest, Sha256};

use crate::bench::{Bench, debian, text};

const LOCAL: Package<'_> = Package {
    name: "local-tool",
    version: "2.0-1",
    fields: "Depends: netbase, local-data (= 3)\nRecommends: file\n",
    files: &[("usr/share/local/tool", "tool\n")],
};
const DATA: Package<'_> =
    Package { name: "local-data", version: "3", fields: "", files: &[("usr/share/local/data", "data\n")] };

#[test]
fn local_packages_are_solved_with_their_dependencies_and_recorded() {
    let bench = Bench::new("local");
    let tool = LOCAL.make(&bench.folder("parts/debs")).expect("dpkg-deb");
    DATA.make(&bench.folder("parts/more debs")).expect("dpkg-deb");
    // Paths are relative to the file that names them.
    bench.write("parts/local.yaml", "packages: [./debs/local-tool_2.0-1_all.deb]\n");
    bench.recipe("", "include: [parts/local.yaml]\npackages: [\"./parts/more debs/local-data_3_all.deb\"]\n");
    let tree = bench.build(&["--mirror", &debian().uri()]);
    assert_eq!((tree.version("local-tool"), tree.version("local-data")), ("2.0-1".into(), "3".into()));
    assert!(!tree.version("netbase").is_empty(), "a dependency from the archive");
    assert_eq!(tree.version("file"), "", "recommends were not asked for");
    assert_eq!(tree.read("usr/share/local/tool"), "tool\n");
    tree.audit();
    assert_eq!(tree.shell("apt-mark showmanual local-tool local-data netbase"), "local-data\nlocal-tool\n");
    let check = tree.shell("apt-get -s check 2>&1; apt-get -s -f install");
    assert!(check.contains("0 upgraded, 0 newly installed, 0 to remove"), "{check}");
    let manifest = bench.manifest();
    let packages = manifest["packages"].as_array().expect("a list");
    let entry = packages.iter().find(|one| one["name"] == "local-tool").expect("in the manifest");
    let bytes = std::fs::read(&tool).expect("the package");
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(entry["sha256"], digest.as_str());
    assert_eq!(entry["size"], bytes.len());
    assert_eq!(entry["version"], "2.0-1");
    assert!(!manifest.to_string().contains(text(&bench.path(""))), "a path of this machine in the manifest");
}

#[test]
fn a_local_package_is_taken_rather_than_the_archives_of_the_same_version() {
    let bench = Bench::new("same-version");
    bench.recipe("", "packages: [netbase]\n");
    let version = bench.build(&["--mirror", &debian().uri()]).version("netbase");
    let package =
        Package { name: "netbase", version: &version, fields: "", files: &[("usr/share/ours", "rebuilt\n")] };
    let deb = package.make(&bench.folder("debs")).expect("dpkg-deb");
    bench.recipe("", &format!("packages: [{}, netbase]\n", text(&deb)));
    let tree = bench.build(&["--mirror", &debian().uri()]);
    assert_eq!((tree.version("netbase"), tree.read("usr/share/ours")), (version, "rebuilt\n".into()));
}

#[test]
fn recommends_of_a_local_package_come_where_they_are_wanted() {
    let bench = Bench::new("local-recommends");
    LOCAL.make(&bench.folder("debs")).expect("dpkg-deb");
    DATA.make(&bench.folder("debs")).expect("dpkg-deb");
    bench.recipe(
        "",
        "recommends: true\npackages: [./debs/local-tool_2.0-1_all.deb, ./debs/local-data_3_all.deb]\n",
    );
    let tree = bench.build(&["--mirror", &debian().uri()]);
    assert!(!tree.version("file").is_empty());
}

#[test]
fn packages_that_cannot_be_used_are_told_with_their_place() {
    let bench = Bench::new("bad-local");
    let deb = LOCAL.make(&bench.folder("debs")).expect("dpkg-deb");
    let bytes = std::fs::read(&deb).expect("the package");
    bench.write("debs/cut.deb", &bytes[..bytes.len() - 100]);
    let mut flipped = bytes.clone();
    let at = bytes.len() - 40;
    flipped[at] ^= 1;
    bench.write("debs/flipped.deb", flipped);
    bench.write("debs/text.deb", "not a package\n");
    let fields = "Architecture: arm64\n";
    Package { name: "foreign", fields, ..DATA }.make(&bench.path("debs")).expect("dpkg-deb");
    bench.recipe(
        "",
        "packages:\n  - ./debs/absent.deb\n  - ./debs/cut.deb\n  - ./debs/flipped.deb\n  - ./debs/text.deb\n  - ./debs/foreign_3_all.deb\n  - local.deb\n",
    );
    let words = [
        "recipe.yaml:7:5",
        "absent.deb` does not exist",
        "recipe.yaml:8:5",
        "cut.deb` cannot be read",
        "recipe.yaml:9:5",
        "flipped.deb` cannot be read",
        "recipe.yaml:10:5",
        "text.deb` cannot be read",
        "recipe.yaml:11:5",
        "is for arm64",
        "recipe.yaml:12:5",
        "begins with ./",
        "6 errors",
    ];
    bench.refused("check", &[], 3, &words);
    // What they need may be missing; that is known when the lists are.
    bench.recipe("", "packages: [./debs/local-tool_2.0-1_all.deb]\n");
    bench.refused("build", &["--mirror", &debian().uri()], 6, &["local-tool", "local-data"]);
}
