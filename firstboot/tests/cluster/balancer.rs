//! The load balancer and the routers of recipes/microcloud.yaml with real nginx: the pool, and the certificate.

use std::fs;
use std::process::Command;

use contract::yaml;

use crate::support::{Node, eventually, isolated, role};

/// What the recipe writes to nginx for a role.
fn template(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../recipes/microcloud.yaml");
    let recipe = yaml::parse(&fs::read_to_string(path).expect("the recipe")).expect("YAML");
    let role = recipe.get("roles").and_then(|roles| roles.get(name)).expect("the role");
    let files = role.get("files").and_then(yaml::Node::items).expect("files");
    let content = files[0].get("content").and_then(yaml::Node::text).expect("a text");
    // Debian's place of further locations is that of the machine that tests.
    content.replace("/etc/nginx/router.d", "/nonexistent")
}

/// Gives a machine the roles of the image, and an nginx of its own.
fn machine(number: u8) -> Node {
    let node = Node::new(number);
    let root = node.root.display().to_string();
    let validate =
        format!("/usr/sbin/nginx -t -q -e stderr -c {root}/etc/nginx/nginx.conf && ! test -e {root}/refuse");
    for (name, more) in [("router", ""), ("load_balancer", r#""exclusive": true, "#)] {
        let file = serde_json::json!([{"path": "/etc/nginx/conf.d/microcloud.conf", "content": template(name),
            "mode": 0o644, "validate": validate}]);
        let rest = format!(r#""units": ["nginx.service"], "certificate": true, {more}"files": {file}"#);
        role(&node, name, &rest);
    }
    role(&node, "worker", "");
    fs::create_dir_all(node.root.join("tmp")).expect("a folder");
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places: String = places.iter().map(|name| format!("{name}_temp_path {root}/tmp/{name};")).collect();
    node.write(
        "/etc/nginx/nginx.conf",
        &format!(
            "user root; worker_processes 1; daemon off; pid {root}/run/nginx.pid; error_log stderr;\n\
            events {{ }}\nhttp {{ access_log off; {places} include {root}/etc/nginx/conf.d/*.conf; }}\n"
        ),
    );
    node.write(
        "/etc/systemd/system/nginx.service",
        &format!(
            "[Service]\nExecStart=/usr/sbin/nginx -e stderr -c {root}/etc/nginx/nginx.conf\nExecReload=/bin/kill -HUP $MAINPID\n"
        ),
    );
    node
}

fn join(core: &Node, node: &Node, roles: &str) {
    node.run(&["node", "attach", "--token", &core.token(roles), "-e", roles, "--wait", "60s"]).done();
}

/// A request from `node` to the balancer by its name; what curl says of it if it fails.
fn request(node: &Node, more: &[&str]) -> (bool, String) {
    let mut command = node.command("curl");
    command.args(["-sS", "--max-time", "8", "--resolve", "api.example.org:443:10.77.0.4"]);
    let output = command.args(more).arg("https://api.example.org/").output().expect("curl runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).trim().to_owned())
}

/// Who answered so many requests, how often; of one that failed, what was said instead.
fn answers(node: &Node, count: usize) -> Vec<(String, usize)> {
    let mut all: Vec<(String, usize)> = Vec::new();
    for _ in 0..count {
        let (_, said) = request(node, &["--insecure", "--fail"]);
        match all.iter_mut().find(|(other, _)| *other == said) {
            Some((_, times)) => *times += 1,
            None => all.push((said, 1)),
        }
    }
    all.sort();
    all
}

#[test]
fn the_pool_of_the_balancer_follows_the_cluster() {
    isolated("balancer::the_pool_of_the_balancer_follows_the_cluster", || {
        let nodes: Vec<Node> = (1..6).map(machine).collect();
        let [core, one, two, balancer, third] = &nodes[..] else { panic!("five") };
        // Only in the cluster's own network can somebody be heard as the balancer.
        core.run(&["node", "setup", "core", "api.example.org", "-e", "worker"]).done();
        join(core, balancer, "load_balancer");
        let nobody = "no node of api.example.org has the role router";
        eventually("the balancer answers", 10, || request(core, &["--insecure"]).1 == nobody);
        join(core, one, "router");
        join(core, two, "router");
        let line = |name: &str| format!("{name} routes for api.example.org");
        eventually("both are in the pool", 10, || {
            ["10.77.0.2", "10.77.0.3"].iter().all(|one| pool(balancer).contains(*one))
        });
        let pid = balancer.pid("nginx.service");
        // While nginx begins with a new pool, what it was before still answers for a moment.
        eventually("one answers after another", 20, || {
            answers(core, 10) == [(line("n2"), 5), (line("n3"), 5)]
        });
        assert!(!pool(balancer).contains("10.77.0.4"), "the balancer itself is no router");
        balancer.run(&["role", "add", "worker"]).failed("'load_balancer' is alone on its node");
        // Clients cannot say who they are; routers know by the balancer.
        let config = one.file("/etc/nginx/conf.d/microcloud.conf");
        assert!(config.contains("set_real_ip_from 10.77.0.4;"), "{config}");

        join(core, third, "router");
        eventually("the third takes its part", 20, || {
            answers(core, 9) == [(line("n2"), 3), (line("n3"), 3), (line("n5"), 3)]
        });
        assert_eq!(balancer.pid("nginx.service"), pid, "it is reloaded, not started again");
        // One that is lost costs nobody a request; one that leaves is out.
        two.crash("nginx.service");
        two.cable(false);
        let found: Vec<String> = answers(core, 8).into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, [line("n2"), line("n5")]);
        core.run(&["node", "remove", "n3"]).done();
        eventually("it is out", 15, || !pool(balancer).contains("10.77.0.3"));
        one.run(&["node", "detach"]).done();
        third.run(&["node", "detach"]).done();
        eventually("nobody routes", 15, || {
            request(core, &["--insecure"]).1 == "no node of api.example.org has the role router"
        });
        core.status(&["--wait", "60"]).done();
    });
}

fn pool(balancer: &Node) -> String {
    let config = balancer.file("/etc/nginx/conf.d/microcloud.conf");
    config.lines().filter(|line| line.trim().starts_with("server ") && line.contains(":80")).collect()
}

/// An authority, one between, and a certificate by it, all made by openssl in the machine's folder.
const AUTHORITIES: &str = r#"
set -eu
exec 2>/dev/null
cd "$FIRSTBOOT_ROOT"
make() { # NAME ISSUER DAYS EXTENSIONS
    openssl req -new -newkey rsa:2048 -nodes -keyout "$1.key" -subj "/CN=$1" -out "$1.csr"
    printf '%b' "$4" >"$1.ext"
    if [ "$2" = self ]; then
        openssl x509 -req -in "$1.csr" -signkey "$1.key" -days "$3" -extfile "$1.ext" -out "$1.crt"
    else
        openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days "$3" -extfile "$1.ext" -out "$1.crt"
    fi
}
make root self 3650 'basicConstraints=critical,CA:TRUE\n'
make between root 1000 'basicConstraints=critical,CA:TRUE\n'
make good between 90 'subjectAltName=DNS:api.example.org,DNS:*.api.example.org\n'
make soon between 20 'subjectAltName=DNS:api.example.org\n'
make other between 90 'subjectAltName=DNS:www.example.org\n'
chmod 0600 *.key
cat between.crt good.crt >good.pem
cat soon.crt between.crt >soon.pem
cat other.crt between.crt >other.pem
cat good.crt >short.pem
mkdir -p etc/ssl/certs
cp root.crt etc/ssl/certs/ca-certificates.crt
cp good.key open.key
chmod 0640 open.key
# Days are counted whole: of the second in which they were made, they have one day more.
sleep 1
"#;

#[test]
fn a_certificate_is_judged_before_anybody_sees_it() {
    isolated("balancer::a_certificate_is_judged_before_anybody_sees_it", || {
        let nodes: Vec<Node> = [1, 2, 4].map(machine).into();
        let [core, router, balancer] = &nodes[..] else { panic!("three") };
        core.run(&["node", "setup", "core", "api.example.org", "-e", "worker"]).done();
        join(core, router, "router");
        join(core, balancer, "load_balancer");
        let made = balancer.command("sh").args(["-c", AUTHORITIES]).status().expect("sh runs");
        assert!(made.success(), "openssl makes authorities");
        let path = |name: &str| balancer.root.join(name.trim_start_matches('/')).display().to_string();
        let import = |chain: &str, key: &str, more: &[&str]| {
            let (chain, key) = (path(chain), path(key));
            let call = ["certificate", "import", "--certificate", &chain, "--key", &key];
            balancer.run(&[&call[..], more].concat())
        };
        // One of its own, made by this very machine, serves until there is a better one.
        let info = balancer.run(&["certificate", "info"]).done();
        assert!(info.contains("api.example.org, *.api.example.org, n4, 10.77.0.4"), "{info}");
        assert!(info.contains("made by firstboot") && info.contains("holds for 39"), "{info}");
        assert_ne!(balancer.file(CERTIFICATE), router.file(CERTIFICATE), "each has its own");
        let root = path("root.crt");
        let trusting = ["--cacert", root.as_str()];
        assert!(!request(core, &trusting).0, "nobody vouches for it");

        import("good.pem", "other.key", &[]).failed("the key is not that of the certificate");
        import("good.pem", "open.key", &[]).failed("can read the key");
        import("short.pem", "good.key", &[])
            .failed("the chain ends too early: 'CN=good' is signed by 'CN=between'");
        import("other.pem", "other.key", &[]).failed("is for www.example.org, and not for 'api.example.org'");
        let before = balancer.file(CERTIFICATE);
        balancer.write("/refuse", "");
        import("good.pem", "good.key", &[]).failed("the one before is in its place");
        assert_eq!(balancer.file(CERTIFICATE), before);
        fs::remove_file(balancer.root.join("refuse")).expect("it was there");
        // The file has them upside down.
        let said = import("good.pem", "good.key", &[]);
        assert!(said.err.contains("put into order"), "{said:?}");
        let said = said.done();
        assert!(said.contains("for 89 days; shown by load_balancer"), "{said}");
        eventually("clients trust it", 10, || request(core, &trusting).0);
        let mode =
            Command::new("stat").args(["-c", "%a"]).arg(path(CERTIFICATE)).output().expect("stat runs");
        assert_eq!(String::from_utf8_lossy(&mode.stdout).trim(), "600");
        eventually("status tells", 15, || core.status(&[]).out.contains("  certificate  holds for 89 days"));
        // It stays when the node is renamed: it is its owner's.
        balancer.run(&["node", "rename", "n8"]).done();
        core.status(&["--wait", "60"]).done();
        assert!(request(core, &trusting).0, "still the imported one");
        let said = import("soon.pem", "soon.key", &[]);
        assert!(said.err.contains("ends in 19 days: time for the next one"), "{said:?}");
        said.done();
        eventually("status warns", 15, || {
            core.status(&[]).out.contains("ends in 19 days: time for the next one")
        });
        assert_eq!(core.status(&[]).code, 0, "nothing is wrong yet");
        let late = Node {
            clock_offset: 40 * 24 * 60 * 60,
            name: balancer.name.clone(),
            root: balancer.root.clone(),
        };
        let said = late.run(&["certificate", "info"]).done();
        assert!(said.contains("has ended"), "{said}");
        let call = ["certificate", "import", "--certificate", &path("soon.pem"), "--key", &path("soon.key")];
        late.run(&call).failed("'CN=soon' ended");
        // A machine that is no node yet may be given one for later, for a name that is said.
        let single = machine(6);
        single.write("/etc/ssl/certs/ca-certificates.crt", &balancer.file("/root.crt"));
        let (chain, key) = (path("other.pem"), path("other.key"));
        let call = ["certificate", "import", "--certificate", &chain, "--key", &key];
        single.run(&call).failed("--name api.example.org");
        single.run(&[&call[..], &["--name", "www.example.org"]].concat()).done();
        join(core, &single, "router");
        let info = single.run(&["certificate", "info", "--json"]).done();
        assert!(info.contains("www.example.org") && info.contains("\"imported\": true"), "{info}");
    });
}

const CERTIFICATE: &str = "/var/lib/firstboot/cluster/endpoint.pem";
