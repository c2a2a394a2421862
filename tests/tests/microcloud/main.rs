//! Three guests from the one image of recipes/microcloud.yaml on a private network, told by user data alone what they are:
//! a core that routes as well, data services with a second router, and a load balancer.
//!
//! Needs root, QEMU, xorriso, iproute2 and the network for the build. Everything runs in namespaces of its own, so guests,
//! bridge and taps end with the test, however it ends.

mod guest;
mod private;

use std::time::{Duration, Instant};

use serde_json::Value;

use guest::Guest;
use private::{is_open, request};

/// How long a guest may take to boot, be configured, and start its services: it is translated, on a machine with other work.
const SETTLE: u64 = 1500;

/// What a guest of this name is told.
fn user_data(cluster: &str) -> String {
    format!("cluster: {{ {cluster} }}\n")
}

/// A token for one machine.
fn token(core: &Guest, roles: &str) -> String {
    core.done(&format!("firstboot token create -e {roles} --ttl 1h")).trim().to_owned()
}

/// The cluster as a guest sees it: each node, its roles, and whether it is well; nothing while no core node answers.
fn view(guest: &Guest) -> Vec<(String, String, bool)> {
    let said = guest.ask("firstboot status --all --json").1;
    let view: Value = serde_json::from_str(&said).unwrap_or_default();
    let nodes = view["nodes"].as_array().into_iter().flatten();
    nodes
        .map(|node| {
            let name = node["name"].as_str().expect("a name").to_owned();
            (name, node["roles"].to_string(), node["healthy"] == true)
        })
        .collect()
}

/// Who answers so many requests to the balancer; each must be answered.
fn routers(count: usize, address: &str) -> Vec<String> {
    let mut all: Vec<String> = (0..count)
        .map(|_| {
            let answer = request(address).expect("the balancer answers");
            let line = answer.strip_suffix(" routes for api.example.org\n");
            line.unwrap_or_else(|| panic!("not a router's: {answer}")).to_owned()
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

fn eventually(what: &str, seconds: u64, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn is_well(guest: &Guest) -> bool {
    guest.ask(&format!("firstboot status --all --wait {SETTLE}")).0 == 0
}

#[test]
#[ignore = "boots three guests for minutes; scripts/soak runs it"]
fn a_cloud_of_three_clones_by_user_data_alone() {
    private::inside("a_cloud_of_three_clones_by_user_data_alone", |image| {
        let begun = Instant::now();
        let say = |what: &str| println!("{:4} s  {what}", begun.elapsed().as_secs());
        let mut core = Guest::new("core", 1, 768, image);
        core.start(&user_data("setup: api.example.org"));
        assert!(is_well(&core), "{}", core.story());
        say("the core is well");
        the_layouts_can_be(&core);
        let mut data = Guest::new("data", 2, 1536, image);
        let mut balancer = Guest::new("balancer", 3, 512, image);
        balancer.start(&user_data(&format!(
            "token: \"{}\", roles: [load_balancer]",
            token(&core, "load_balancer")
        )));
        let roles = "data-services, router";
        data.start(&user_data(&format!(
            "token: \"{}\", roles: [{roles}]",
            token(&core, "data-services,router")
        )));
        eventually("all have joined", SETTLE, || view(&core).len() == 3);
        assert!(is_well(&core), "{}{}", core.story(), data.story());
        say("all three are well");
        all_agree(&[&core, &data, &balancer]);

        let both = ["core", "data"].map(str::to_owned);
        for address in ["http://10.99.0.3/", "https://10.99.0.3/"] {
            eventually("requests reach both routers", 60, || routers(6, address) == both);
        }
        ports_are_open_for_whom_the_roles_say(&core);
        services_work(&core, &data);
        say("requests reach both routers, and services do their work");

        data.kill();
        say("the power of data is gone");
        assert_eq!(routers(8, "https://10.99.0.3/"), ["core"], "no request is lost");
        let are_well = || view(&core).iter().filter(|(_, _, is_well)| *is_well).count();
        eventually("the others notice", 90, || are_well() == 2);
        data.start_again();
        eventually("it is a node again", SETTLE, || are_well() == 3);
        say("data is well again");
        all_agree(&[&core, &data, &balancer]);
        eventually("requests reach both routers", 60, || routers(6, "http://10.99.0.3/") == both);
        assert_eq!(
            data.done("runuser -u postgres -- psql -Atc 'select word from kept'").trim(),
            "postgresql"
        );
        assert_eq!(data.done("mariadb -N -e 'select word from kept.kept'").trim(), "mysql");

        // The core's own end: nodes work on with what they have, and find it again.
        core.kill();
        say("the power of the core is gone");
        assert_eq!(routers(8, "https://10.99.0.3/"), ["data"], "no request is lost");
        core.start_again();
        assert!(is_well(&core), "{}", core.story());
        say("the core is well again");
        all_agree(&[&core, &data, &balancer]);
    });
}

/// Layouts as people copy them, by the program and the roles of the image itself.
fn the_layouts_can_be(core: &Guest) {
    for name in ["1-node", "3-nodes", "5-nodes", "20-nodes"] {
        let path = integration_tests::program::checkout().join(format!("recipes/layouts/{name}.yaml"));
        let text = std::fs::read_to_string(path).expect("the layout");
        core.done(&format!("cat >/run/layout.yaml <<'END'\n{text}END\nfirstboot node plan /run/layout.yaml"));
    }
}

fn all_agree(guests: &[&Guest]) {
    eventually("all see three nodes that are well", 300, || {
        let views: Vec<_> = guests.iter().map(|guest| view(guest)).collect();
        let names: Vec<&str> = views[0].iter().map(|(name, ..)| name.as_str()).collect();
        let are_well = views[0].iter().all(|(_, _, is_well)| *is_well);
        are_well && names == ["balancer", "core", "data"] && views.iter().all(|view| *view == views[0])
    });
    for guest in guests {
        assert_eq!(guest.done("systemctl --failed --no-legend"), "", "{}", guest.story());
    }
}

/// Ports of data services: nodes with the role controller reach them; the balancer and this machine, a stranger, do not.
fn ports_are_open_for_whom_the_roles_say(core: &Guest) {
    for port in [5432, 3306, 6379, 5672, 11211, 2049] {
        core.done(&format!("timeout 20 bash -c 'exec 3<>/dev/tcp/10.99.0.2/{port}'"));
        assert!(!is_open(2, port), "port {port} of data is open to a stranger");
    }
    // Erlang's own, etcd's, the portmapper.
    for (guest, port) in [(2, 4369), (2, 25672), (1, 2379), (1, 2380), (2, 111)] {
        assert!(!is_open(guest, port), "port {port} of guest {guest} is open to a stranger");
    }
    for (guest, port) in [(1, 80), (1, 443), (1, 7979), (3, 443)] {
        assert!(is_open(guest, port), "port {port} of guest {guest} is for anybody");
    }
}

/// More than a port: each service takes and gives something, and what a power cut must not take is written.
fn services_work(core: &Guest, data: &Guest) {
    data.done("runuser -u postgres -- psql -qc \"create table kept as select 'postgresql' as word\"");
    data.done("mariadb -e \"create database kept; create table kept.kept as select 'mysql' as word\"");
    let password = "$(sed 's/requirepass //' /etc/microcloud/redis.secret)";
    assert_eq!(data.done(&format!("redis-cli --no-auth-warning -a {password} ping")).trim(), "PONG");
    assert!(data.done("redis-cli ping").contains("NOAUTH"), "nobody without its password");
    data.done("rabbitmqctl --timeout 300 list_queues");
    let said = core.done("exec 3<>/dev/tcp/10.99.0.2/11211; printf 'version\\r\\n' >&3; head -n 1 <&3");
    assert!(said.starts_with("VERSION "), "{said}");
    data.done("echo shared >/srv/shared/file");
    assert_eq!(
        core.done("mount -t nfs4 10.99.0.2:/srv/shared /mnt && cat /mnt/file && umount /mnt").trim(),
        "shared"
    );
}
