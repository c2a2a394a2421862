//! Several core nodes: how they come and go, and what etcd says of it.

use std::time::{Duration, Instant};

use cluster::channel::{Channel, Trust, refusal};
use cluster::clock::ShiftedClock;
use cluster::message::{Code, CoreKit, Request};
use cluster::names::Names;
use cluster::token::Token;

use crate::support::{Node, eventually, isolated, role};

/// Machines that know the role `worker`.
fn machines(numbers: std::ops::RangeInclusive<u8>) -> Vec<Node> {
    let nodes: Vec<Node> = numbers.map(Node::new).collect();
    nodes.iter().for_each(|node| role(node, "worker", r#""units": ["worker.service"]"#));
    nodes
}

#[test]
fn one_three_five_and_back() {
    isolated("voters::one_three_five_and_back", || {
        let nodes = machines(1..=6);
        let [n1, n2, n3, n4, n5, worker] = &nodes[..] else { unreachable!("six machines") };
        n1.setup_core();
        worker.join_as_worker(n1);
        assert_eq!(n1.votes(), (1, 0));

        // The second has all data and no vote, and nobody is sent to it.
        n2.join_as_core(n1);
        assert_eq!(n1.votes(), (1, 1));
        assert_eq!(n1.endpoints(), (vec!["10.77.0.1".into()], 1));
        let told = n1.status(&["--wait", "60"]).done();
        assert!(
            told.contains("n1  healthy  votes") && told.contains("n2  healthy  standby, no vote"),
            "{told}"
        );

        // With the third, three vote; the list of core nodes is a newer one, and nodes hear of it.
        std::thread::sleep(Duration::from_secs(6));
        let begun = Instant::now();
        n3.join_as_core(n1);
        eventually("three vote", 20, || n1.votes() == (3, 0));
        println!("figure: from one voter to three in {:.1} s", begun.elapsed().as_secs_f64());
        let all: Vec<String> = ["10.77.0.1", "10.77.0.2", "10.77.0.3"].map(str::to_owned).to_vec();
        eventually("the list has all three", 10, || n1.endpoints().0 == all);
        let epoch = n1.endpoints().1;
        assert!(epoch > 1, "{epoch}");
        eventually("the worker knows all three", 15, || {
            worker.run(&["node", "info"]).out.contains("cores        10.77.0.1, 10.77.0.2, 10.77.0.3")
        });
        n1.status(&["--wait", "60"]).done();
        // Each of them has what the others have, by etcd's own client, and can let machines in.
        for core in [n1, n2, n3] {
            assert_eq!(core.keys("/fb/nodes/").len(), 4, "{}", core.name);
            let key =
                std::fs::metadata(core.root.join("var/lib/firstboot/cluster/authority.key")).expect("a key");
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
        }
        assert!(!worker.root.join("var/lib/firstboot/cluster/authority.key").exists(), "only cores can sign");

        n4.join_as_core(n3);
        assert_eq!(n1.votes(), (3, 1));
        std::thread::sleep(Duration::from_secs(6));
        n5.join_as_core(n2);
        eventually("five vote", 20, || n1.votes() == (5, 0));
        eventually("the list has five", 10, || n1.endpoints().0.len() == 5);
        n1.status(&["--wait", "60"]).done();

        // Back: one that is taken out, and one that leaves, together with whom else has to give its vote up.
        n1.run(&["node", "remove", "n5"]).done();
        eventually("three vote, one stands by", 40, || n1.votes() == (3, 1));
        n4.run(&["node", "detach"]).done();
        eventually("three vote", 40, || n1.votes() == (3, 0));
        assert!(!n4.root.join("var/lib/firstboot/cluster/authority.key").exists());
        n3.run(&["role", "remove", "controller"]).failed("a node has at least one role");
        n3.run(&["role", "add", "worker"]).done();
        n3.run(&["role", "remove", "controller"]).done();
        eventually("one votes, one stands by", 40, || n1.votes() == (1, 1));
        for gone in ["authority.key", "etcd-authority.key", "core.json", "etcd-client.key", "etcd/member.key"]
        {
            assert!(!n3.root.join("var/lib/firstboot/cluster").join(gone).exists(), "{gone}");
        }
        eventually("the list has one", 10, || n1.endpoints().0 == ["10.77.0.1"]);
        let refused = "alone holds the cluster's store and cannot be removed";
        eventually("it is refused", 10, || n2.run(&["node", "remove", "n1"]).err.contains(refused));
        n1.run(&["node", "detach"]).failed("this node alone holds the cluster's store");
        eventually("n5 has heard of it", 30, || n5.member().is_null());
        assert!(
            n5.file("/run/calls").contains("disable --now -- firstboot-cored.service firstboot-etcd.service")
        );
        assert!(n1.endpoints().1 > epoch);
        worker.status(&["--wait", "60"]).done();
        // The names of etcd's members are nodes of the cluster, and nothing of those that left is there.
        assert_eq!(n1.keys("/fb/nodes/").len(), 4);
        assert!(n1.members().iter().all(|(name, ..)| [n1.uuid(), n2.uuid()].contains(name)));
    });
}

#[test]
fn only_a_token_makes_a_core_node() {
    isolated("voters::only_a_token_makes_a_core_node", || {
        let nodes = machines(1..=3);
        let [n1, n2, n3] = &nodes[..] else { unreachable!("three machines") };
        n1.setup_core();
        n2.join_as_worker(n1);
        n2.run(&["role", "add", "controller"]).failed("takes it by a token only");
        let weak = n1.token("worker");
        n2.run(&["role", "add", "controller", "--token", &weak])
            .failed("does not allow the role 'controller'");
        n3.run(&["node", "attach", "--token", &weak, "-e", "controller"])
            .failed("does not allow the role 'controller'");
        n3.run(&["node", "attach", "--token", &n1.token("primary"), "-e", "primary"])
            .failed("one node has the role 'primary', and that is 'n1'");

        // A node without the role asks for the keys by its certificate: they are not for it.
        let token: Token = weak.parse().expect("a token");
        let mut ip = std::process::Command::new("ip");
        ip.args(["address", "add", "10.77.0.254/24", "dev", "bridge0"]);
        assert!(ip.status().expect("ip runs").success());
        let file = |name: &str| n2.file(&format!("/var/lib/firstboot/cluster/{name}"));
        let open = |identity| {
            let clock = std::sync::Arc::new(ShiftedClock::default());
            let trust = Trust { pin: token.pin, identity, names: Names::default(), clock };
            Channel::open(&token.cores, &trust).expect("a connection")
        };
        for identity in [None, Some((file("node.crt"), file("node.key")))] {
            let error = open(identity).ask::<CoreKit>(&Request::CoreKit).expect_err("refused");
            assert_eq!(refusal(&error).map(|refusal| refusal.code), Some(Code::Forbidden), "{error:#}");
        }
        assert_eq!((n1.votes(), n2.file("/var/lib/firstboot/cluster/authority.key").as_str()), ((1, 0), ""));

        let strong = n1.token("controller");
        n2.run(&["role", "add", "controller", "--token", &strong]).done();
        assert_eq!(n1.votes(), (1, 1));
        assert_eq!(
            n1.value(&format!("/fb/nodes/{}", n2.uuid()))["roles"].to_string(),
            r#"["controller","worker"]"#
        );
        n3.run(&["node", "attach", "--token", &strong, "-e", "controller"]).failed("the token is used up");
        n1.status(&["--wait", "60"]).done();
    });
}

/// A third core node that dies between its admission and its vote: two voters do not stay.
#[test]
fn growth_that_is_cut_is_undone_and_goes_on() {
    isolated("voters::growth_that_is_cut_is_undone_and_goes_on", || {
        let nodes = machines(1..=3);
        let [n1, n2, n3] = &nodes[..] else { unreachable!("three machines") };
        n1.setup_core();
        n2.join_as_core(n1);
        std::thread::sleep(Duration::from_secs(7));
        // Its etcd hears nobody, while the machine itself does.
        n3.nft(
            "add table inet cut; add chain inet cut out { type filter hook output priority 0; }; \
            add rule inet cut out tcp dport 2380 drop; add rule inet cut out tcp sport 2380 drop",
        );
        let token = n1.token("controller");
        let join = n3.begin(&["node", "attach", "--token", &token, "-e", "controller"]);
        eventually("two vote, for the third", 20, || n1.votes().0 == 2);
        // The core that leads dies in it, and comes back: what was begun is still brought to an end.
        for unit in ["firstboot-cored.service", "firstboot-etcd.service"] {
            n1.crash(unit);
        }
        n1.systemctl(&["start", "firstboot-etcd.service", "firstboot-cored.service"]).done();
        // By whoever leads now; what lost its vote tells nothing until it has it again.
        eventually("it is undone: one votes", 120, || [n1, n2].iter().any(|core| core.votes().0 == 1));
        eventually("it is decided meanwhile", 10, || n2.run(&["token", "create", "-e", "worker"]).code == 0);
        let ended = join.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && told.contains("not yet one that holds the cluster"), "{told}");
        n3.nft("delete table inet cut");
        eventually("three vote", 180, || n1.votes() == (3, 0));
        n1.status(&["--wait", "60"]).done();
        assert_eq!(n3.keys("/fb/nodes/").len(), 3);
    });
}
