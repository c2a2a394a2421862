//! Names and passwords of archives: sent to whom they are meant for, and nowhere to be found afterwards.

use std::fs;

use integration_tests::archive::{Package, make_suite};
use integration_tests::mirror::Mirror;

use crate::bench::{Bench, debian, files_below, keys, said, text};

const SECRET: &str = "correct-horse-battery";
/// `reader:correct-horse-battery` in base64.
const BASIC: &str = "Basic cmVhZGVyOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==";

fn guarded(bench: &Bench) -> Mirror {
    let root = bench.folder("vendor");
    fs::create_dir_all(root.join("pool")).expect("a folder");
    let package =
        Package { name: "vendor-tool", version: "1", fields: "", files: &[("usr/share/vendor", "x\n")] };
    package.make(&root.join("pool")).expect("dpkg-deb");
    make_suite(&root, "stable", &[("Origin", "Vendor")], &keys().0).expect("a suite");
    Mirror::start_guarded(root, BASIC).expect("a loopback port")
}

fn distribution(server: &Mirror, more: &str) -> String {
    format!(
        "repositories:\n  - {{ uri: \"{}\", suite: stable, components: [main], signed_by: {}{more} }}",
        server.uri(),
        text(&keys().0.binary)
    )
}

#[test]
fn a_guarded_repository_is_read_and_its_secret_stays_in_its_file() {
    let bench = Bench::with_own_cache("secret");
    let server = guarded(&bench);
    let auth = format!("# for the vendor\nmachine {}/ login reader password {SECRET}\n", server.uri());
    bench.write("private/vendor.conf", &auth);
    bench.recipe(&distribution(&server, ", auth: private/vendor.conf"), "packages: [vendor-tool]\n");
    let checked = bench.run("check", &[]);
    assert!(checked.status.success(), "{}", said(&checked));
    let planned = bench.run("plan", &["--json"]);
    let output = bench.run("build", &["--mirror", &debian().uri()]);
    assert!(output.status.success(), "{}", said(&output));
    for output in [checked, planned, output] {
        let said = said(&output);
        assert!(!said.contains(SECRET) && !said.contains("cmVhZGVy"), "the secret was printed:\n{said}");
    }
    let looked = [bench.path("out"), bench.cache().to_owned()];
    let files: Vec<_> = looked.iter().flat_map(|folder| files_below(folder)).collect();
    assert!(files.len() > 1000, "only {} files looked into", files.len());
    for file in files {
        let bytes = fs::read(&file).expect("a file");
        let content = String::from_utf8_lossy(&bytes);
        let holds = |needle: &str| content.contains(needle);
        assert!(!holds(SECRET) && !holds("cmVhZGVyOmNvcn"), "the secret is in '{}'", file.display());
    }
    let sources: Vec<_> = files_below(&bench.path("out/built.tree/etc/apt"));
    assert!(!sources.iter().any(|path| path.to_string_lossy().contains("127.0.0.1")), "{sources:?}");
}

/// As apt: a password goes over plain http only where the entry says so, and to no other path, port or host.
#[test]
fn a_secret_is_not_sent_where_it_is_not_meant_for() {
    let bench = Bench::with_own_cache("not-meant");
    let server = guarded(&bench);
    let (host, uri) = (format!("127.0.0.1:{}", server.port()), server.uri());
    for (machine, words) in [
        (host.as_str(), "https only"),
        ("http://127.0.0.1:1", "no entry"),
        (&format!("{uri}/other"), "no entry"),
        ("http://localhost", "no entry"),
    ] {
        bench.write("auth", format!("machine {machine} login reader password {SECRET}\n"));
        bench.recipe(&distribution(&server, ", auth: auth"), "packages: [vendor-tool]\n");
        let said = bench.refused("check", &[], 3, &["recipe.yaml:6:", words]);
        assert!(!said.contains(SECRET), "{said}");
    }
    bench.recipe(&distribution(&server, ""), "packages: [vendor-tool]\n");
    bench.refused("build", &["--mirror", &debian().uri()], 4, &["401", "`auth`"]);
    bench.write("auth", format!("machine {uri} login reader password wrong-{SECRET}\n"));
    bench.recipe(&distribution(&server, ", auth: auth"), "packages: [vendor-tool]\n");
    let said = bench.refused("build", &["--mirror", &debian().uri()], 4, &["401"]);
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn wrong_auth_files_are_told_by_line_and_without_what_they_hold() {
    let bench = Bench::new("bad-auth");
    for (content, words) in [
        (format!("machine x login reader password {SECRET} extra\n"), "line 1"),
        (format!("\nlogin reader password {SECRET}\n"), "line 2"),
        (format!("machine x password {SECRET}\n"), "no `login`"),
        ("# nothing\n".to_owned(), "no entry"),
    ] {
        bench.write("auth", content);
        bench.recipe("auth: auth", "");
        let said = bench.refused("check", &[], 3, &["recipe.yaml:5:9", words]);
        assert!(!said.contains(SECRET), "{said}");
    }
    bench.recipe("auth: absent", "");
    bench.refused("check", &[], 3, &["recipe.yaml:5:9", "does not exist"]);
}
