//! Small universes with known answers; the comparison with apt itself is an integration test.

use super::*;
use crate::plan::{Architecture, PackageRequest, PackageTerm, Variant, Want};

/// Makes an index of stanzas: `name version; Field: value; …`, one per line.
fn index(lines: &str) -> Vec<u8> {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split("; ");
        let (name, version) =
            parts.next().and_then(|head| head.split_once(' ')).expect("a name and a version");
        text += &format!("Package: {name}\nVersion: {version}\n");
        let fields: Vec<&str> = parts.collect();
        if !fields.iter().any(|field| field.starts_with("Architecture:")) {
            text += "Architecture: amd64\n";
        }
        fields.iter().for_each(|field| text += &format!("{field}\n"));
        text += &format!("Filename: pool/{name}_{version}.deb\nSize: 1\nSHA256: {}\n\n", "a".repeat(64));
    }
    text.into_bytes()
}

fn source(codename: &str, pin: Option<i32>) -> IndexSource {
    IndexSource {
        repository: 0,
        base: "http://debian.example/debian".to_owned(),
        suite: "stable".to_owned(),
        codename: codename.to_owned(),
        component: "main".to_owned(),
        local: false,
        pin,
        not_automatic: false,
        but_automatic_upgrades: false,
    }
}

fn universe(lines: &str) -> Universe {
    let mut universe = Universe::new(Architecture::Amd64);
    universe.add_index(source("bookworm", None), index(lines)).expect("a good index");
    universe
}

fn request(variant: Variant, terms: &str) -> PackageRequest {
    let term = |text: &str| {
        let (name, want) = match (text.split_once('='), text.split_once('/'), text.strip_suffix('-')) {
            (Some((name, version)), _, _) => (name, Want::Version(version.to_owned())),
            (_, Some((name, suite)), _) => (name, Want::Suite(suite.to_owned())),
            (_, _, Some(name)) => (name, Want::Never),
            _ => (text, Want::Install),
        };
        PackageTerm { name: name.to_owned(), want, origin: "r.yaml:7:3".to_owned() }
    };
    PackageRequest { variant, terms: terms.split_whitespace().map(term).collect(), recommends: false }
}

fn names(universe: &Universe, request: &PackageRequest) -> Result<String, String> {
    let selection = select(universe, request, Architecture::Amd64).map_err(|error| error.to_string())?;
    let name = |package: &LockedPackage| match package.version.as_str() {
        "1" => package.name.clone(),
        version => format!("{}={version}", package.name),
    };
    let mut names: Vec<String> = selection.packages.iter().map(name).collect();
    names.sort();
    Ok(names.join(" "))
}

/// Returns what was chosen in the order of unpacking.
fn in_order(universe: &Universe, terms: &str) -> String {
    let selection =
        select(universe, &request(Variant::Custom, terms), Architecture::Amd64).expect("a choice");
    selection.packages.iter().map(|package| &*package.name).collect::<Vec<_>>().join(" ")
}

fn custom(universe: &Universe, terms: &str) -> Result<String, String> {
    names(universe, &request(Variant::Custom, terms))
}

#[test]
fn packages_come_in_apts_order() {
    let universe = universe(
        "a 1; Depends: b, c; Priority: optional
         b 1; Depends: d; Priority: optional
         c 1; Priority: optional
         d 1; Priority: optional
         first 1; Priority: required; Depends: late
         late 1; Priority: extra
         strict 1; Priority: optional; Pre-Depends: virtual
         provider 1; Provides: virtual; Priority: optional; Depends: c",
    );
    assert_eq!(
        in_order(&universe, "a"),
        "d b c a",
        "dependencies first, those of one package as they are written"
    );
    assert_eq!(in_order(&universe, "a first"), "late first d b c a", "what matters more comes earlier");
    assert_eq!(in_order(&universe, "a strict"), "c provider strict d b a", "pre-dependencies earliest");
}

#[test]
fn dependencies_are_followed() {
    let universe = universe(
        "a 1; Depends: b | c, d (>= 1)
         b 1; Depends: e
         c 1
         d 1; Pre-Depends: c
         e 1",
    );
    assert_eq!(custom(&universe, "a").as_deref(), Ok("a b c d e"));
    assert_eq!(custom(&universe, "a b-").as_deref(), Ok("a c d"));
    assert_eq!(custom(&universe, "c a").as_deref(), Ok("a c d"));
}

#[test]
fn an_alternative_that_cannot_be_had_is_passed_over() {
    let universe = universe(
        "a 1; Depends: b | c
         b 1; Depends: gone
         c 1
         d 1; Depends: b (>= 2) | c",
    );
    assert_eq!(custom(&universe, "a").as_deref(), Ok("a c"));
    assert_eq!(custom(&universe, "d").as_deref(), Ok("c d"));
}

#[test]
fn providers_are_tried_real_name_first() {
    let universe = universe(
        "a 1; Depends: mta
         exim 1; Provides: mta; Priority: optional
         postfix 1; Provides: mta; Priority: standard
         b 1; Depends: api (>= 2)
         old 1; Provides: api
         new 1; Provides: api (= 2)
         c 1; Depends: real
         fake 1; Provides: real; Priority: required
         real 1; Priority: optional",
    );
    assert_eq!(custom(&universe, "a").as_deref(), Ok("a postfix"));
    assert_eq!(custom(&universe, "b").as_deref(), Ok("b new"));
    assert_eq!(custom(&universe, "c").as_deref(), Ok("c real"));
    assert!(custom(&universe, "api").unwrap_err().contains("several packages"));
}

#[test]
fn architecture_qualifiers_are_understood() {
    let universe = universe(
        "a 1; Depends: python3:any, lib:amd64, all:native
         python3 1; Multi-Arch: allowed
         lib 1; Multi-Arch: same
         all 1; Architecture: all
         b 1; Depends: lib:any
         c 1; Depends: lib:i386
         foreign 1; Architecture: i386",
    );
    assert_eq!(custom(&universe, "a").as_deref(), Ok("a all lib python3"));
    assert_eq!(custom(&universe, "python3:amd64").as_deref(), Ok("python3"));
    assert!(custom(&universe, "b").is_err(), "only what allows it provides ':any'");
    assert!(custom(&universe, "c").is_err());
    assert!(custom(&universe, "foreign").unwrap_err().contains("no package 'foreign'"));
}

#[test]
fn recommends_are_a_choice() {
    let universe = universe("a 1; Recommends: b, gone; Suggests: c\n b 1\n c 1");
    let mut request = request(Variant::Custom, "a");
    assert_eq!(names(&universe, &request).as_deref(), Ok("a"));
    request.recommends = true;
    assert_eq!(names(&universe, &request).as_deref(), Ok("a b"));
}

#[test]
fn variants_follow_the_fields() {
    let universe = universe(
        "base 1; Essential: yes; Depends: libc
         libc 1; Priority: optional
         req 1; Priority: required; Depends: lib
         lib 1; Priority: optional
         imp 1; Priority: important
         std 1; Priority: standard
         apt 1; Priority: important
         web 1; Priority: optional; Depends: lib, net
         net 1; Priority: optional",
    );
    let flags = |variant, terms: &str| {
        let selection =
            select(&universe, &request(variant, terms), Architecture::Amd64).expect("a selection");
        let mark = |package: LockedPackage| {
            let flags = [(package.base_set, "b"), (package.automatic, "a")];
            let flags: String = flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag).collect();
            format!("{}:{flags}", package.name)
        };
        let mut packages: Vec<String> = selection.packages.into_iter().map(mark).collect();
        packages.sort();
        packages.join(" ")
    };
    assert_eq!(flags(Variant::Custom, "net"), "net:");
    assert_eq!(flags(Variant::Essential, ""), "base:b libc:b");
    assert_eq!(flags(Variant::Minbase, ""), "apt: base:b lib:a libc:b req:");
    assert_eq!(flags(Variant::Minbase, "web"), "apt: base:b lib:a libc:b net:a req: web:");
    assert_eq!(flags(Variant::Minbase, "net req-"), "apt: base:b libc:b net:");
    assert_eq!(flags(Variant::Standard, ""), "apt: base:b imp: lib:a libc:b req: std:");
}

#[test]
fn pins_and_versions_decide() {
    let mut universe = universe("a 1\n b 1; Depends: a\n c 1");
    universe.add_index(source("updates", None), index("a 2\n c 1")).expect("a good index");
    universe
        .add_index(source("backports", Some(100)), index("a 3\n b 3; Depends: a (>= 3)"))
        .expect("a good index");
    assert_eq!(custom(&universe, "b").as_deref(), Ok("a=2 b"));
    assert_eq!(custom(&universe, "b a=1").as_deref(), Ok("a b"));
    assert_eq!(custom(&universe, "b/backports").as_deref(), Ok("a=3 b=3"));
    assert_eq!(custom(&universe, "a/bookworm").as_deref(), Ok("a"));
    universe.add_index(source("extra", None), index("real 1; Provides: alias (= 5)")).expect("a good index");
    assert_eq!(custom(&universe, "alias=5").as_deref(), Ok("real"));
    assert_eq!(custom(&universe, "alias/extra").as_deref(), Ok("real"));
    let error = custom(&universe, "a=9").unwrap_err();
    assert_eq!(
        error,
        "r.yaml:7:3: 'a' has no version '9'; available: 3 (backports), 2 (updates), 1 (bookworm)"
    );
    let error = custom(&universe, "c/backports").unwrap_err();
    assert_eq!(error, "r.yaml:7:3: 'c' is not in suite 'backports'; available: 1 (bookworm, updates)");
}

#[test]
fn suites_that_are_not_automatic_wait_to_be_named() {
    let mut universe = universe("a 1");
    let mut experimental = source("experimental", None);
    experimental.not_automatic = true;
    universe.add_index(experimental, index("a 2\n new 1")).expect("a good index");
    assert_eq!(custom(&universe, "a new").as_deref(), Ok("a new"));
    assert_eq!(custom(&universe, "a/experimental").as_deref(), Ok("a=2"));
}

#[test]
fn failures_name_the_chain() {
    let universe = universe(
        "web 1; Depends: app
         app 1; Depends: libfoo (>= 2) | libbar
         libfoo 1.9
         old 1; Depends: libc (<< 1)
         libc 1; Breaks: other
         other 1
         both 1; Depends: libc, other
         server 1; Depends: db
         db 1; Conflicts: cache
         cache 1",
    );
    for (terms, expected) in [
        (
            "web",
            "web depends on app, which depends on libfoo (>= 2) | libbar, but of libfoo there is only 1.9 (bookworm)",
        ),
        ("web", "libbar is not available"),
        ("old", "old depends on libc (<< 1), but of libc there is only 1 (bookworm)"),
        ("both", "both depends on libc, which breaks other, and both depends on other"),
        ("server cache", "server depends on db, which conflicts with cache, and cache"),
        ("server db-", "server depends on db, but db is ruled out by 'db-'"),
        ("servr", "r.yaml:7:3: there is no package 'servr'; did you mean server?"),
        ("libbar", "r.yaml:7:3: 'libbar' is mentioned by other packages but is in none of the repositories"),
        ("zzzzzzzz", "there is no package 'zzzzzzzz' in the repositories"),
    ] {
        let error = custom(&universe, terms).expect_err(terms);
        assert!(error.contains(expected), "{terms}: {error}");
    }
}

#[test]
fn conflicts_are_settled_by_another_alternative() {
    let universe = universe(
        "mailer 1; Depends: exim | mta
         exim 1; Provides: mta; Conflicts: mta
         postfix 1; Provides: mta; Conflicts: mta",
    );
    assert_eq!(custom(&universe, "mailer postfix").as_deref(), Ok("mailer postfix"));
    assert_eq!(custom(&universe, "mailer").as_deref(), Ok("exim mailer"));
    assert!(custom(&universe, "exim postfix").is_err());
}

#[test]
fn bad_indexes_are_refused() {
    for (text, expected) in [
        (&b"Package: a\nVersion: \xff\n"[..], "byte 20 is not UTF-8"),
        (
            b"Package: a\nVersion: 1\nArchitecture: all\nDepends: b (>= \n",
            "package 'a': a dependency field that breaks at",
        ),
        (b"Version: 1\n", "a stanza without Package or Version"),
    ] {
        let mut universe = Universe::new(Architecture::Amd64);
        let error =
            universe.add_index(source("bookworm", None), text.to_vec()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_is_fetched_must_be_well_described() {
    for (field, value) in
        [("Filename", "../../etc/passwd"), ("Filename", "/pool/a"), ("Size", "x"), ("SHA256", "12")]
    {
        let good = [("Filename", "pool/a.deb"), ("Size", "1"), ("SHA256", &"0".repeat(64))];
        let mut text = "Package: a\nVersion: 1\nArchitecture: amd64\n".to_owned();
        for (name, fine) in good {
            text += &format!("{name}: {}\n", if name == field { value } else { fine });
        }
        let mut universe = Universe::new(Architecture::Amd64);
        universe.add_index(source("bookworm", None), text.into_bytes()).expect("a readable index");
        let error = custom(&universe, "a").expect_err(value);
        assert!(error.contains(&format!("no usable '{field}' field")), "{error}");
    }
}

#[test]
fn nothing_can_be_chosen_from_nothing() {
    let universe = Universe::new(Architecture::Amd64);
    assert!(matches!(
        select(&universe, &request(Variant::Minbase, ""), Architecture::Amd64),
        Err(ResolveError::NoIndex)
    ));
}

/// As `apt install ./a.deb`: the file is taken, whatever archives have, and its dependencies are solved.
#[test]
fn packages_that_are_files_come_before_the_archives() {
    let local = |version: &str, fields: &str| crate::plan::LocalPackage {
        path: "/srv/my debs/a.deb".into(),
        name: "a".into(),
        version: version.into(),
        architecture: "all".into(),
        control: format!(
            "Package: a\nVersion: {version}\nArchitecture: all\nFilename: lies\n{fields}Description: short\n long\n"
        ),
        size: 77,
        sha256: crate::store::Sha256Digest([7; 32]),
    };
    for version in ["1", "0.5", "2"] {
        let mut universe = universe("a 1\nb 1; Depends: c\nc 1");
        let (source, text) = local_index(&local(version, "Depends: b\n"));
        assert_eq!(source.base, "file:///srv/my%20debs");
        universe.add_index(source, text).expect("a good index");
        let mut request = request(Variant::Custom, "a");
        request.terms[0].want = Want::File("./a.deb".into());
        let selection = select(&universe, &request, Architecture::Amd64).expect("it can be had");
        let chosen = selection.packages.iter().find(|package| package.name == "a").expect("it is chosen");
        assert_eq!((chosen.version.as_str(), chosen.automatic), (version, false));
        assert_eq!((chosen.filename.as_str(), chosen.size), ("a.deb", 77), "{version}");
        assert_eq!(selection.packages.len(), 3);
        assert!(
            custom(&universe, "a/stable").is_ok_and(|found| found.starts_with("a")),
            "the archive's own suite"
        );
    }
}
