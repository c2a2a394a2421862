//! Which mirror the host's own sources speak for.

use crate::fetch::mirror::{
    AptSource, MirrorOverrides, Mirrors, load_host_sources, parse_deb822, parse_one_line,
};
use crate::plan::{MirrorChoice, Origin, Repository, SignedBy};
use crate::store::tests::Cache;

fn base(mirrors: &Mirrors, origin: Origin) -> String {
    let repository = Repository {
        name: "bookworm".into(),
        origin,
        suite: "bookworm".into(),
        components: vec!["main".into()],
        signed_by: SignedBy::DebianArchive,
        pin: None,
        in_image: None,
    };
    mirrors.sources(&repository).remove(0).base
}

fn chosen(sources: &[AptSource]) -> (String, String) {
    let mirrors = Mirrors::choose(&MirrorOverrides::default(), sources);
    (base(&mirrors, Origin::Debian), base(&mirrors, Origin::DebianSecurity))
}

const DEBIAN: &str = "http://ftp.debian.org/debian";
const SECURITY: &str = "http://security.debian.org/debian-security";

#[test]
fn deb822_sources_are_read() {
    let text = "# comment\nTypes: deb deb-src\nURIs: http://mirror.example.org/debian/\n# inside\n\
        Suites: bookworm\n bookworm-updates\nComponents: main contrib\n\
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
        Types: deb\nURIs: http://a.example.org/debian-security http://b.example.org/debian-security\n\
        Suites: bookworm-security\nComponents: main\n\n\
        Enabled: no\nTypes: deb\nURIs: http://off.example.org/debian\nSuites: bookworm\nComponents: main\n\n\
        Types: deb-src\nURIs: http://source.example.org/debian\nSuites: bookworm\nComponents: main\n";
    let sources = parse_deb822(text);
    let uris: Vec<&str> = sources.iter().map(|source| source.uri.as_str()).collect();
    assert_eq!(
        uris,
        [
            "http://mirror.example.org/debian/",
            "http://a.example.org/debian-security",
            "http://b.example.org/debian-security"
        ]
    );
    assert_eq!(sources[0].suites, ["bookworm", "bookworm-updates"]);
    assert_eq!(
        chosen(&sources),
        ("http://mirror.example.org/debian".into(), "http://a.example.org/debian-security".into())
    );
}

#[test]
fn one_line_sources_are_read() {
    let text = "# deb http://off.example.org/debian bookworm main\n\
        deb-src http://source.example.org/debian bookworm main\n\
        deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://vendor.example.org/debian bookworm main\n\
        deb\thttp://mirror.example.org/debian bookworm main contrib # ours\n\
        deb http://mirror.example.org/debian-security bookworm-security main\n\
        deb broken\n";
    let sources = parse_one_line(text);
    assert_eq!(sources.len(), 3);
    assert_eq!(sources[0].signed_by.as_deref(), Some("/usr/share/keyrings/x.gpg"));
    assert_eq!(sources[1].components, ["main", "contrib"]);
    assert_eq!(
        chosen(&sources),
        ("http://mirror.example.org/debian".into(), "http://mirror.example.org/debian-security".into())
    );
}

#[test]
fn sources_of_others_say_nothing() {
    for line in [
        "deb https://download.example.com/linux/debian bookworm stable",
        "deb [signed-by=/etc/apt/keyrings/vendor.asc] https://repo.example.com/debian bookworm main",
        "deb https://apt.example.com bookworm main",
        "deb https://apt.example.com/debian bookworm-pgdg main",
        "deb http://archive.example.com/ubuntu noble main",
        "deb http://archive.example.com/ubuntu noble-security main",
        "deb http://snapshot.example.org/archive/debian/20250520T000000Z bookworm main",
        "deb cdrom:[Debian]/debian bookworm main",
        "deb mirror+file:/etc/apt/mirrors/debian bookworm main",
        "deb tor+http://example.onion/debian bookworm main",
        "deb http://mirror.example.org/debian bookworm-backports main",
    ] {
        assert_eq!(chosen(&parse_one_line(line)), (DEBIAN.into(), SECURITY.into()), "{line}");
    }
}

#[test]
fn what_the_user_says_comes_first() {
    let sources = parse_one_line("deb http://mirror.example.org/debian bookworm main");
    let said = |debian: Option<&str>, security: Option<&str>| {
        let overrides = MirrorOverrides {
            debian: debian.map(uri).into_iter().collect(),
            security: security.map(str::to_owned),
        };
        let mirrors = Mirrors::choose(&overrides, &sources);
        (base(&mirrors, Origin::Debian), base(&mirrors, Origin::DebianSecurity))
    };
    let mine = "http://mine.example.org/debian";
    assert_eq!(said(Some("http://mine.example.org/debian/"), None), (mine.into(), SECURITY.into()));
    assert_eq!(said(None, Some("file:///srv/security")).1, "file:///srv/security");
    let mirrors = Mirrors::choose(&MirrorOverrides::default(), &[]);
    assert_eq!(
        base(&mirrors, Origin::Uri("https://example.com/debian/".into())),
        "https://example.com/debian"
    );
}

#[test]
fn a_hosts_files_are_read_in_order() {
    let root = Cache::new();
    let parts = root.path().join("etc/apt/sources.list.d");
    std::fs::create_dir_all(&parts).unwrap();
    let write = |name: &str, text: &str| std::fs::write(parts.join(name), text).unwrap();
    write("b.sources", "Types: deb\nURIs: http://b.example.org/debian\nSuites: trixie\nComponents: main\n");
    write("a.list", "deb http://a.example.org/debian trixie main\n");
    write("a.list.save", "deb http://save.example.org/debian trixie main\n");
    std::fs::write(parts.join("c.list"), [0xff]).unwrap();
    let uris: Vec<String> = load_host_sources(root.path()).into_iter().map(|source| source.uri).collect();
    assert_eq!(uris, ["http://a.example.org/debian", "http://b.example.org/debian"]);
    assert!(load_host_sources(&root.path().join("nowhere")).is_empty());
}

fn uri(text: &str) -> MirrorChoice {
    MirrorChoice::Uri(text.to_owned())
}

#[test]
fn several_mirrors_keep_their_order() {
    let sources = parse_one_line("deb http://host.example.org/debian bookworm main");
    let (a, b) = ("http://a.example.org/debian", "http://b.example.org/debian");
    let debian = vec![uri(a), MirrorChoice::Auto, uri("http://b.example.org/debian/"), uri(a)];
    let mirrors = Mirrors::choose(&MirrorOverrides { debian, security: None }, &sources);
    assert_eq!(mirrors.alternatives(a), [a, "http://host.example.org/debian", b]);
    assert_eq!(mirrors.alternatives(b), [b, a, "http://host.example.org/debian"]);
    assert_eq!(mirrors.alternatives("http://vendor.example.org"), ["http://vendor.example.org"]);
}
