//! Joining: what lets a machine in, what does not, and what a cut leaves.

use std::time::Instant;

use cluster::channel::{Channel, Trust, refusal};
use cluster::clock::ShiftedClock;
use cluster::message::{Admit, Admitted, Claim, Code, PROTOCOLS, Request, Welcome, proof};
use cluster::names::Names;
use cluster::token::Token;
use contract::encoding::encode_base64;
use rcgen::{KeyPair, PublicKeyData, SigningKey};

use crate::support::{Node, eventually, has_ended, isolated, role};

#[test]
fn a_core_a_token_and_a_node() {
    isolated("join::a_core_a_token_and_a_node", || {
        let (core, node) = (Node::new(1), Node::new(2));
        for one in [&core, &node] {
            role(one, "worker", "");
        }
        let said = core.setup_core();
        assert!(said.contains("n1 is the core of the cluster"), "{said}");
        assert!(
            core.run(&["node", "setup", "core", "api.example.org"]).done().contains("n1 is the core"),
            "again"
        );
        core.run(&["node", "setup", "core", "other.example.org"])
            .failed("is the core of the cluster 'api.example.org'");
        let token = core.token("worker");
        let begun = Instant::now();
        let attach = ["node", "attach", "--token", &token, "-e", "worker"];
        node.run(&attach).done();
        println!("figure: a join took {} ms", begun.elapsed().as_millis());
        node.run(&attach).done();
        let record = core.value(&format!("/fb/nodes/{}", node.uuid()));
        assert_eq!(record["state"], "member");
        assert_eq!((&record["name"], &record["address"]), (&"n2".into(), &"10.77.0.2".into()));
        assert_eq!(core.value("/fb/names/n2"), node.uuid().as_str());
        assert_eq!(core.keys("/fb/roles/worker/"), [format!("/fb/roles/worker/{}", node.uuid())]);
        core.status(&["--wait", "60"]).done();
        node.status(&[]).done();
        assert_eq!(core.keys("/fb/live/").len(), 2);
        // The token's secret is nowhere in the store.
        let seed = token.split('.').nth(2).expect("a seed").to_owned();
        assert!(!core.etcdctl(&["get", "--prefix", "/"]).done().contains(&seed));
    });
}

#[test]
fn what_a_token_does_not_allow() {
    isolated("join::what_a_token_does_not_allow", || {
        let (core, mut node) = (Node::new(1), Node::new(2));
        for one in [&core, &node] {
            role(one, "worker", "");
            role(one, "router", "");
        }
        // Times that no clock has are refused, not counted with.
        for (time, why) in
            [("99999999d", "longer than a hundred years"), ("3651d", "ten years (3650d) at most")]
        {
            core.run(&["node", "setup", "core", "api.example.org", "--certificate-life", time]).failed(why);
        }
        core.setup_core();
        let untouched = node.files();
        let join = |node: &Node, token: &str| node.run(&["node", "attach", "--token", token, "-e", "worker"]);
        let good = core.token("worker");

        // Before anything changes on the machine: another authority, another clock, no core, no token.
        let pin = good.split(['.', '@']).nth(3).expect("a pin");
        let first = if pin.starts_with('A') { 'B' } else { 'A' };
        let other = good.replace(pin, &format!("{first}{}", &pin[1..]));
        join(&node, &other).failed("is of another cluster than the token");
        node.clock_offset = 600;
        join(&node, &good).failed("s ahead of the core's");
        node.clock_offset = -600;
        join(&node, &good).failed("s behind the core's");
        node.clock_offset = -7200;
        join(&node, &good).failed("is the clock right?");
        node.clock_offset = 30 * 24 * 3600;
        join(&node, &good).failed("is the clock right?");
        node.clock_offset = 0;
        join(&node, &good.replace("10.77.0.1", "10.77.0.1:7980")).failed("no core node can be asked");
        join(&node, "fb1.x").failed("this is no token");
        node.run(&["node", "attach", "--token", &good, "-e", "x", "--wait", "36500d"])
            .failed("no role or group 'x'");
        node.run(&["node", "attach", "--token", &good, "-e", "wroker"])
            .failed("there is no role or group 'wroker'");
        assert!(node.files() == untouched, "the machine is as it was");

        // By the core: what the token does not allow, or not any more.
        node.run(&["node", "attach", "--token", &good, "-e", "router"])
            .failed("does not allow the role 'router'");
        let named = core.run(&["token", "create", "-e", "worker", "--name", "n7"]).done();
        join(&node, &named).failed("for the name 'n7', not for 'n2'");
        let short = core.run(&["token", "create", "-e", "worker", "--ttl", "1s"]).done();
        std::thread::sleep(std::time::Duration::from_millis(2100));
        join(&node, &short).failed("the token ended");
        let revoked = core.token("worker");
        core.run(&["token", "revoke", revoked.split('.').nth(1).expect("a name")]).done();
        join(&node, &revoked).failed("no such token here");
        core.run(&["token", "create", "-e", "nobody"]).failed("there is no role or group 'nobody'");
        assert_eq!(core.keys("/fb/nodes/").len(), 1, "only the core");
        assert_eq!(core.keys("/fb/uses/").len(), 0);

        join(&node, &good).done();
        let third = Node::new(3);
        role(&third, "worker", "");
        join(&third, &good).failed("the token is used up");
        third.run(&["token", "list"]).failed("this machine is in no cluster");
        node.run(&["token", "create", "-e", "worker"]).failed("done on a node with the role 'controller'");
        let listed = core.run(&["token", "list"]).done();
        assert!(
            listed.contains("used up") && listed.contains("ended") && listed.contains("for n7"),
            "{listed}"
        );
        assert_eq!(core.keys("/fb/nodes/").len(), 2);
    });
}

#[test]
fn one_name_is_one_node() {
    isolated("join::one_name_is_one_node", || {
        let core = Node::new(1);
        role(&core, "worker", "");
        core.setup_core();
        let nodes: Vec<Node> = (2..6).map(Node::new).collect();
        let token = core.run(&["token", "create", "-e", "worker", "--uses", "9"]).done();
        let children: Vec<_> = nodes
            .iter()
            .map(|node| {
                role(node, "worker", "");
                node.begin(&["node", "attach", "--token", token.trim(), "-e", "worker", "--name", "twin"])
            })
            .collect();
        let ended: Vec<_> =
            children.into_iter().map(|child| child.wait_with_output().expect("it ends")).collect();
        let done = ended.iter().filter(|output| output.status.success()).count();
        assert_eq!(done, 1, "{ended:?}");
        for output in ended.iter().filter(|output| !output.status.success()) {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(told.contains("the name 'twin' is that of the node"), "{told}");
        }
        assert_eq!((core.keys("/fb/nodes/").len(), core.keys("/fb/uses/").len()), (2, 1));
    });
}

/// A proof that was seen is worth nothing on another connection, and what was signed cannot be changed.
#[test]
fn proofs_belong_to_one_connection() {
    isolated("join::proofs_belong_to_one_connection", || {
        let core = Node::new(1);
        role(&core, "worker", "");
        core.setup_core();
        let token: Token = core.token("worker").parse().expect("a token");
        // This test is on the bridge's side, where the core is reached as well.
        let added = std::process::Command::new("ip")
            .args(["address", "add", "10.77.0.254/24", "dev", "bridge0"])
            .status();
        assert!(added.expect("ip runs").success());
        let open = || {
            let clock = std::sync::Arc::new(ShiftedClock::default());
            let mut channel = Channel::open(
                &token.cores,
                &Trust { pin: token.pin, identity: None, names: Names::default(), clock },
            )
            .expect("a connection");
            let welcome: Welcome = channel.ask(&Request::Hello { protocols: PROTOCOLS }).expect("welcome");
            (channel, welcome)
        };
        let key = KeyPair::generate().expect("a key");
        let claim = Claim {
            token: token.id.clone(),
            node: cluster::random::uuid().expect("one"),
            public_key: encode_base64(&key.subject_public_key_info()),
            join: cluster::random::uuid().expect("one"),
            name: "stranger".into(),
            roles: vec!["worker".into()],
            version: "0".into(),
        };
        let text = serde_json::to_string(&claim).expect("JSON");
        let admit = |channel: &Channel, cluster: &str| {
            let bytes = proof(&channel.exporter(cluster).expect("keying material"), &text);
            let by_token = encode_base64(&token.sign(&bytes).expect("signed"));
            Admit {
                claim: text.clone(),
                by_token,
                by_node: encode_base64(&key.sign(&bytes).expect("signed")),
            }
        };
        let (seen, welcome) = open();
        let wish = admit(&seen, &welcome.cluster);
        let refused = |channel: &mut Channel, wish: Admit, code: Code| {
            let error = channel.ask::<Admitted>(&Request::Admit(wish)).expect_err("refused");
            assert_eq!(refusal(&error).map(|refusal| refusal.code), Some(code), "{error:#}");
        };
        let (mut other, _) = open();
        refused(&mut other, wish.clone(), Code::Proof);
        let changed = Admit { claim: text.replace("\"worker\"", "\"controller\""), ..wish.clone() };
        let mut seen = seen;
        refused(&mut seen, changed, Code::Proof);
        let swapped = Admit { by_node: wish.by_token.clone(), ..wish.clone() };
        refused(&mut seen, swapped, Code::Proof);
        // Nobody but nodes may ask for the rest; another protocol is refused with both versions.
        let error = seen.ask::<Welcome>(&Request::Nodes).expect_err("refused");
        assert_eq!(refusal(&error).map(|refusal| refusal.code), Some(Code::Forbidden));
        let error = seen.ask::<Welcome>(&Request::Hello { protocols: (7, 9) }).expect_err("refused");
        assert!(error.to_string().contains("this machine 7 to 9: use images of one version"), "{error:#}");
        assert_eq!(core.keys("/fb/nodes/").len(), 1);
        // On its own connection it counts, twice the same answer, and not for another key.
        let first: Admitted = seen.ask(&Request::Admit(wish.clone())).expect("admitted");
        let again: Admitted = seen.ask(&Request::Admit(wish)).expect("admitted");
        assert_eq!((first.roles, first.address), (again.roles, again.address));
        let nodes = core.keys("/fb/nodes/");
        assert_eq!(nodes.len(), 2);
        assert_eq!(core.value(&format!("/fb/nodes/{}", claim.node))["state"], "joining");
    });
}

#[test]
fn a_join_that_is_cut_anywhere_goes_on() {
    isolated("join::a_join_that_is_cut_anywhere_goes_on", || {
        let (core, node) = (Node::new(1), Node::new(2));
        for one in [&core, &node] {
            role(
                one,
                "worker",
                r#""units": ["worker.service"], "files": [{"path": "/etc/worker", "content": "{{ node.name }}\n", "mode": 420}]"#,
            );
        }
        core.setup_core();
        let mut cuts = 0;
        for at in 1..200 {
            let token = core.token("worker");
            let attach = ["node", "attach", "--token", token.as_str(), "-e", "worker"];
            let cut = node.run_cut(&format!("fsync:signal=KILL:when={at}"), &attach);
            let was_cut = cut.code != 0;
            cuts += usize::from(was_cut);
            node.run(&attach).done();
            let id = token.split('.').nth(1).expect("a name");
            let used = core.keys(&format!("/fb/uses/{id}/"));
            assert_eq!(used.len(), 1, "cut {at}");
            assert_eq!(core.value(&used[0])["node"], node.uuid().as_str());
            assert_eq!(core.keys("/fb/nodes/").len(), 2, "cut {at}");
            assert_eq!(core.value(&format!("/fb/nodes/{}", node.uuid()))["state"], "member");
            assert_eq!(core.value("/fb/names/n2"), node.uuid().as_str());
            assert_eq!(node.file("/etc/worker"), "n2\n");
            assert_eq!(node.file("/var/lib/firstboot/cluster/join.json"), "", "nothing is under way");
            assert!(!node.file("/run/pids/firstboot-node.service").is_empty(), "cut {at}: the agent runs");
            node.run(&["node", "detach"]).done();
            if !was_cut {
                break;
            }
        }
        println!("figure: a join was cut at {cuts} places");
        assert!(cuts > 10, "{cuts}");
    });
}

#[test]
fn a_core_that_dies_in_a_join_is_asked_again() {
    isolated("join::a_core_that_dies_in_a_join_is_asked_again", || {
        let (core, node) = (Node::new(1), Node::new(2));
        for one in [&core, &node] {
            role(one, "worker", "");
        }
        core.setup_core();
        core.systemctl(&["stop", "firstboot-node.service"]).done();
        let mut deaths = 0;
        for at in 1..200 {
            let token = core.token("worker");
            let cored = core.pid("firstboot-cored.service");
            let mut tracer = core.command("strace");
            tracer.args(["-f", "-qq", "-o", "/dev/null", "-p", &cored.to_string()]);
            tracer.args(["-e", &format!("inject=sendto,write,writev,sendmsg:signal=KILL:when={at}")]);
            let mut tracer = tracer.spawn().expect("strace runs");
            let status = || std::fs::read_to_string(format!("/proc/{cored}/status")).unwrap_or_default();
            eventually("strace holds the core", 20, || !status().contains("TracerPid:\t0\n"));
            let attach = ["node", "attach", "--token", token.as_str(), "-e", "worker", "--wait", "60s"];
            let mut join = node.begin(&attach);
            // On a busy machine a join takes its time; it ends, or the core does.
            let is_dead = || has_ended(cored);
            let deadline = Instant::now() + std::time::Duration::from_secs(30);
            while !is_dead() && join.try_wait().expect("it is ours").is_none() && Instant::now() < deadline {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            if !is_dead() {
                tracer.kill().expect("strace is there");
            }
            tracer.wait().expect("strace ends");
            // It may have met its end while strace went.
            let has_died = is_dead();
            deaths += usize::from(has_died);
            if has_died {
                core.systemctl(&["start", "firstboot-cored.service"]).done();
            }
            let ended = join.wait_with_output().expect("it ends");
            assert!(ended.status.success(), "death {at}: {}", String::from_utf8_lossy(&ended.stderr));
            let id = token.split('.').nth(1).expect("a name");
            assert_eq!(core.keys(&format!("/fb/uses/{id}/")).len(), 1, "death {at}");
            assert_eq!(core.keys("/fb/nodes/").len(), 2, "death {at}");
            assert_eq!(core.value(&format!("/fb/nodes/{}", node.uuid()))["state"], "member");
            node.run(&["node", "detach"]).done();
            if !has_died {
                break;
            }
        }
        println!("figure: the core died at {deaths} places of a join");
        assert!(deaths > 5, "{deaths}");
    });
}

#[test]
fn half_a_join_goes_by_itself() {
    isolated("join::half_a_join_goes_by_itself", || {
        let (core, node) = (Node::new(1), Node::new(2));
        let define = |node: &Node, within: u32| {
            let health = format!(r#""health": {{"run": "test -e run/well", "within": {within}}}"#);
            role(node, "worker", &format!(r#""units": ["worker.service"], {health}"#));
        };
        for one in [&core, &node] {
            define(one, 2);
        }
        core.run(&["node", "setup", "core", "api.example.org", "--join-life", "6s"]).done();
        let token = core.token("worker");
        let attach = ["node", "attach", "--token", token.as_str(), "-e", "worker"];
        // A role that does not become healthy: all is given back at once.
        node.run(&attach).failed("the role 'worker' does not become healthy");
        assert_eq!((core.keys("/fb/nodes/").len(), core.keys("/fb/uses/").len()), (1, 0));
        assert!(node.file("/run/calls").contains("disable --now -- worker.service"));
        // A machine that dies in between: its name, address and use of the token are free after a moment. It waits for
        // its role until then, so that nobody who looks seldom misses its place.
        define(&node, 300);
        let mut child = node.begin(&attach);
        eventually("the place is there", 20, || core.keys("/fb/names/n2").len() == 1);
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        eventually("the place is gone", 20, || core.keys("/fb/").iter().all(|key| !key.contains("n2")));
        assert_eq!((core.keys("/fb/nodes/").len(), core.keys("/fb/uses/").len()), (1, 0));
        assert_eq!(core.keys("/fb/tombstones/").len(), 0, "it may come again");
        node.write("/run/well", "");
        node.run(&attach).done();
        assert_eq!((core.keys("/fb/nodes/").len(), core.keys("/fb/uses/").len()), (2, 1));
    });
}

/// Making a database takes minutes on a slow machine; the place is held for as long.
#[test]
fn a_role_that_takes_long_to_start_keeps_its_place() {
    isolated("join::a_role_that_takes_long_to_start_keeps_its_place", || {
        let (core, node) = (Node::new(1), Node::new(2));
        for one in [&core, &node] {
            role(one, "slow", r#""prepare": ["sleep 20"]"#);
        }
        core.run(&["node", "setup", "core", "api.example.org", "--join-life", "6s"]).done();
        let begun = Instant::now();
        node.run(&["node", "attach", "--token", &core.token("slow"), "-e", "slow"]).done();
        assert!(begun.elapsed().as_secs() >= 20, "it was prepared");
        assert_eq!(core.value("/fb/names/n2"), node.uuid().as_str());
    });
}
