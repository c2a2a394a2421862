//! Core nodes that are lost: one of three, two of three, and what the rest does.

use std::time::{Duration, Instant};

use crate::support::{Node, eventually, isolated, role};

/// Three core nodes and a worker.
fn cluster() -> Vec<Node> {
    let nodes: Vec<Node> = (1..=4).map(Node::new).collect();
    nodes.iter().for_each(|node| role(node, "worker", ""));
    nodes[0].setup_core();
    nodes[1].join_as_core(&nodes[0]);
    std::thread::sleep(Duration::from_secs(7));
    nodes[2].join_as_core(&nodes[0]);
    eventually("three vote", 30, || nodes[0].votes() == (3, 0));
    nodes[3].join_as_worker(&nodes[0]);
    eventually("the list has three", 10, || nodes[0].endpoints().0.len() == 3);
    nodes[0].status(&["--wait", "60"]).done();
    nodes
}

#[test]
fn one_of_three_then_two() {
    isolated("loss::one_of_three_then_two", || {
        let nodes = cluster();
        let [n1, n2, n3, worker] = &nodes[..] else { unreachable!("four machines") };
        eventually("the worker knows all", 20, || worker.run(&["node", "info"]).out.contains("10.77.0.3"));

        // The one that is asked first, which begun it all.
        let begun = Instant::now();
        n1.lose();
        eventually("others decide", 30, || n2.run(&["token", "create", "-e", "worker"]).code == 0);
        println!("figure: a token {:.1} s after the loss of a core node", begun.elapsed().as_secs_f64());
        let fifth = Node::new(5);
        role(&fifth, "worker", "");
        let token = n3.token("worker");
        assert!(token.contains("10.77.0.2") && token.contains("10.77.0.3"), "{token}");
        fifth.run(&["node", "attach", "--token", &token, "-e", "worker", "--wait", "60s"]).done();
        eventually("the lost one is silent", 60, || n2.status(&[]).out.contains("n1  silent"));
        // Who had asked the lost one may have been silent as well, until it found another.
        eventually("all others are well", 60, || {
            let told = n2.status(&[]).out;
            ["n2", "n3", "n4", "n5"].iter().all(|alive| told.contains(&format!("{alive}  healthy")))
        });
        // Who would take the rest's quorum away is refused, with the reason.
        n3.run(&["node", "remove", "n2"]).failed("only 1 of them can be reached where 2 are needed");
        assert_eq!(n3.votes(), (3, 0));

        // Two of three: nothing is decided, nothing is told, and it is said why.
        n2.lose();
        n3.run(&["token", "create", "-e", "worker"]).failed("the cluster's store does not answer");
        worker.run(&["node", "list"]).failed("the cluster's store does not answer");
        worker.run(&["node", "detach"]).failed("the cluster's store does not answer");
        n3.run(&["node", "remove", "n1"]).failed("the cluster's store does not answer");
        assert!(!worker.member().is_null());

        // One of them back, and all goes on.
        let begun = Instant::now();
        n2.come_back();
        eventually("it is decided again", 60, || n3.run(&["token", "create", "-e", "worker"]).code == 0);
        println!("figure: a token {:.1} s after the second came back", begun.elapsed().as_secs_f64());
        // The first is taken out for good: one votes, one stands by, and when it returns it fences itself.
        eventually("the others are well", 60, || {
            let told = n3.status(&[]).out;
            told.contains("n2  healthy") && told.contains("n3  healthy") && told.contains("n5  healthy")
        });
        n3.run(&["node", "remove", "n1"]).done();
        eventually("one votes, one stands by", 60, || [n2, n3].iter().any(|core| core.votes() == (1, 1)));
        n1.come_back();
        eventually("it fences itself", 60, || n1.member().is_null());
        assert_eq!(n1.file("/run/pids/firstboot-etcd.service"), "", "its store is at rest");
        worker.status(&["--wait", "60"]).done();
    });
}

/// The part with fewer core nodes decides nothing, and nodes on its side find the others when they can.
#[test]
fn a_partition_and_a_network_that_loses_packets() {
    isolated("loss::a_partition_and_a_network_that_loses_packets", || {
        let nodes = cluster();
        let [n1, n2, n3, worker] = &nodes[..] else { unreachable!("four machines") };
        n1.cable(false);
        eventually("the cut part knows that it is cut", 20, || {
            n1.run(&["token", "create", "-e", "worker"]).err.contains("the cluster's store does not answer")
        });
        eventually("the greater part goes on", 20, || n2.run(&["token", "create", "-e", "worker"]).code == 0);
        let uses = n2.keys("/fb/tokens/").len();
        n1.cable(true);
        // It has no leader for a moment, and etcdctl says so.
        let seen = || n1.etcdctl(&["get", "--prefix", "--keys-only", "/fb/tokens/"]).out;
        eventually("all see the same", 30, || seen().matches("/fb/tokens/").count() == uses);
        n1.status(&["--wait", "90"]).done();
        for core in [n1, n2, n3] {
            core.nft(
                "add table inet loss; add chain inet loss in { type filter hook input priority 0; }; \
                add rule inet loss in iifname eth0 numgen random mod 100 < 10 counter drop",
            );
        }
        let fifth = Node::new(5);
        role(&fifth, "worker", "");
        let token = eventually_token(n1);
        let begun = Instant::now();
        fifth.run(&["node", "attach", "--token", &token, "-e", "worker", "--wait", "120s"]).done();
        println!(
            "figure: a join took {:.1} s, each core losing every tenth packet",
            begun.elapsed().as_secs_f64()
        );
        std::thread::sleep(Duration::from_secs(15));
        worker.status(&["--wait", "90"]).done();
        // A question to etcd may be lost with its packets.
        eventually("three vote still", 20, || n2.votes() == (3, 0));
    });
}

fn eventually_token(core: &Node) -> String {
    let mut token = String::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while token.is_empty() && Instant::now() < deadline {
        token = core.run(&["token", "create", "-e", "worker"]).out.trim().to_owned();
    }
    token
}

#[test]
fn a_node_that_was_off_for_longer_than_its_certificate() {
    isolated("loss::a_node_that_was_off_for_longer_than_its_certificate", || {
        let nodes: Vec<Node> = (1..=3).map(Node::new).collect();
        nodes.iter().for_each(|node| role(node, "worker", ""));
        let [core, node, gone] = &nodes[..] else { unreachable!("three machines") };
        core.run(&["node", "setup", "core", "api.example.org", "--certificate-life", "15s"]).done();
        node.join_as_worker(core);
        gone.join_as_worker(core);
        for one in [node, gone] {
            one.systemctl(&["stop", "firstboot-node.service"]).done();
        }
        core.run(&["node", "remove", "n3"]).done();
        std::thread::sleep(Duration::from_secs(17));
        let key = node.file("/var/lib/firstboot/cluster/node.key");
        let (before, uuid) = (node.file("/var/lib/firstboot/cluster/node.crt"), node.uuid());
        // By any verb, and by the agent.
        node.run(&["node", "list"]).done();
        assert_ne!(node.file("/var/lib/firstboot/cluster/node.crt"), before);
        std::thread::sleep(Duration::from_secs(16));
        node.systemctl(&["start", "firstboot-node.service"]).done();
        core.status(&["--wait", "60"]).done();
        assert_eq!((node.uuid(), node.file("/var/lib/firstboot/cluster/node.key")), (uuid, key));
        // One that was removed meanwhile is not let in, and hears why.
        gone.systemctl(&["start", "firstboot-node.service"]).done();
        eventually("it fences itself", 20, || gone.member().is_null());
        // The core itself, whose own certificate ends as well.
        for unit in crate::support::CORE_UNITS {
            core.systemctl(&["stop", unit]).done();
        }
        std::thread::sleep(Duration::from_secs(16));
        core.come_back();
        node.status(&["--wait", "60"]).done();
    });
}

/// What was done is written down, the last thousand deeds of it.
#[test]
fn deeds_are_remembered_and_not_for_ever() {
    isolated("loss::deeds_are_remembered_and_not_for_ever", || {
        let core = Node::new(1);
        role(&core, "worker", r#""units": ["worker.service"]"#);
        core.run(&["node", "setup", "core", "api.example.org", "-e", "worker"]).done();
        assert!(core.root.join("run/active/worker.service").exists(), "its other roles are started");
        assert!(core.keys("/fb/audit/").iter().any(|key| key.ends_with("-founded")));
        let old = (0..12).map(|part| {
            let puts: String =
                (0..100).map(|one| format!("put /fb/audit/00000{part:02}{one:03}-x 1\n")).collect();
            format!("\n{puts}\n\n")
        });
        for text in old {
            core.write("/puts", &text);
            let below =
                |name: &str| core.root.join("var/lib/firstboot/cluster").join(name).display().to_string();
            let line = format!(
                "ETCDCTL_API=3 etcdctl --endpoints https://127.0.0.1:2379 --cacert {} --cert {} --key {} txn <{}",
                below("etcd/authority.crt"),
                below("etcd-client.crt"),
                below("etcd-client.key"),
                core.root.join("puts").display()
            );
            let status = core.command("sh").args(["-c", &line]).stdout(std::process::Stdio::null()).status();
            assert!(status.expect("sh runs").success());
        }
        core.token("worker");
        eventually("a thousand are left", 40, || core.keys("/fb/audit/").len() == 1000);
        let kept = core.keys("/fb/audit/");
        assert!(
            kept.iter().any(|key| key.ends_with("-created"))
                && kept.iter().any(|key| key.ends_with("-founded"))
        );
        assert!(!kept.iter().any(|key| key.contains("/0000000000-")), "the oldest go");
    });
}
