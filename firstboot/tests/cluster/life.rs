//! What a node lives through: other names and roles, a cluster that changes, removal, copies of its disk.

use std::process::Command;

use crate::support::{Node, eventually, isolated, role};

const POOL: &str = r##""units": ["pool.service"], "files": [{"path": "/etc/pool", "mode": 420,
    "content": "{% for one in roles.worker %}\nserver {{ one.address }};\n{% endfor %}\n# {{ cluster.endpoint }}\n",
    "validate": "! grep -q 10.77.0.4 etc/pool"}]"##;

/// A core and `count` workers.
fn cluster(count: u8) -> (Node, Vec<Node>) {
    let core = Node::new(1);
    let define = |node: &Node| {
        role(node, "worker", r#""units": ["worker.service"], "groups": ["work"]"#);
        role(node, "pool", POOL);
        role(node, "odd", r#""conflicts": ["worker"]"#);
        role(node, "lonely", r#""single_node": true"#);
    };
    define(&core);
    core.setup_core();
    let workers = (2..2 + count).map(|number| {
        let node = Node::new(number);
        define(&node);
        node.run(&["node", "attach", "--token", &core.token("work"), "-e", "work", "--wait", "60s"]).done();
        node
    });
    let workers = workers.collect();
    (core, workers)
}

#[test]
fn templates_follow_the_cluster_and_bad_ones_do_not_count() {
    isolated("life::templates_follow_the_cluster_and_bad_ones_do_not_count", || {
        let (core, workers) = cluster(1);
        core.run(&["role", "add", "pool", "--dry-run"]).done();
        assert_eq!(core.file("/etc/pool"), "", "a dry run changes nothing");
        assert_eq!(core.run(&["role", "add", "pool"]).done(), "started pool\n");
        assert_eq!(core.run(&["role", "add", "pool"]).done(), "nothing to change\n");
        assert_eq!(core.file("/etc/pool"), "server 10.77.0.2;\n# api.example.org\n");
        let third = Node::new(3);
        role(&third, "worker", "");
        third
            .run(&["node", "attach", "--token", &core.token("worker"), "-e", "worker", "--wait", "60s"])
            .done();
        let both = "server 10.77.0.2;\nserver 10.77.0.3;\n# api.example.org\n";
        eventually("the pool has both", 30, || core.file("/etc/pool") == both);
        let reloads = || core.file("/run/calls").matches("try-reload-or-restart -- pool.service").count();
        eventually("the pool is told", 30, || reloads() > 0);
        assert_eq!(reloads(), 1, "for the change; what starts reads the files anyhow");
        // The validator refuses the fourth: the files of before stay, and status says why.
        let fourth = Node::new(4);
        role(&fourth, "worker", "");
        fourth
            .run(&["node", "attach", "--token", &core.token("worker"), "-e", "worker", "--wait", "60s"])
            .done();
        eventually("status tells", 15, || {
            core.status(&[]).out.contains("files of the role 'pool' cannot be used")
        });
        assert_eq!((core.file("/etc/pool").as_str(), reloads()), (both, 1));
        assert_eq!(core.status(&["--json"]).code, 1);
        core.run(&["node", "remove", "n4"]).done();
        core.run(&["node", "remove", "n2"]).done();
        eventually("the pool has the third", 15, || {
            core.file("/etc/pool") == "server 10.77.0.3;\n# api.example.org\n"
        });
        core.status(&["--wait", "60"]).done();
        assert_eq!(workers.len(), 1);
    });
}

#[test]
fn roles_are_added_and_removed_whole_or_not_at_all() {
    isolated("life::roles_are_added_and_removed_whole_or_not_at_all", || {
        let (core, workers) = cluster(1);
        let node = &workers[0];
        let roles = || core.value(&format!("/fb/nodes/{}", node.uuid()))["roles"].to_string();
        node.run(&["role", "add", "odd"]).failed("'odd' and 'worker' cannot be on one node");
        node.run(&["role", "add", "lonely"]).failed("works only in a cluster of one node");
        node.run(&["role", "add", "controller"]).failed("takes it by a token only");
        node.run(&["role", "remove", "worker"]).failed("at least one role");
        assert_eq!(roles(), r#"["worker"]"#);
        node.write("/run/broken/pool.service", "");
        node.run(&["role", "add", "pool"]).failed("this node has the roles that it had before");
        assert_eq!(
            (roles(), node.member()["roles"].to_string()),
            (r#"["worker"]"#.into(), r#"["worker"]"#.into())
        );
        assert_eq!(core.keys("/fb/roles/pool/").len(), 0);
        std::fs::remove_file(node.root.join("run/broken/pool.service")).expect("it was there");
        node.run(&["role", "add", "pool"]).done();
        assert_eq!((roles(), core.keys("/fb/roles/pool/").len()), (r#"["pool","worker"]"#.into(), 1));
        node.run(&["role", "stop", "pool"]).done();
        eventually("status tells", 15, || core.status(&[]).out.contains("pool  pool.service does not run"));
        node.run(&["role", "start", "pool"]).done();
        core.status(&["--wait", "60"]).done();
        assert_eq!(node.run(&["role", "remove", "--all-but", "worker"]).done(), "stopped pool\n");
        assert_eq!((roles(), core.keys("/fb/roles/pool/").len()), (r#"["worker"]"#.into(), 0));
        let listed = node.run(&["role", "list"]).done();
        assert!(listed.contains("* worker (work)") && listed.contains("  pool"), "{listed}");
    });
}

#[test]
fn a_renamed_node_stays_the_same_node() {
    isolated("life::a_renamed_node_stays_the_same_node", || {
        let (core, workers) = cluster(2);
        let (node, other) = (&workers[0], &workers[1]);
        let uuid = node.uuid();
        node.run(&["node", "rename", "n3"]).failed("the name 'n3' is that of the node");
        node.run(&["node", "rename", "-x"]).failed("");
        // With these it would pass for the core, or for another node.
        for name in ["cored.firstboot.internal", "api.example.org", other.uuid().as_str()] {
            node.run(&["node", "rename", name]).failed("no name that a node may have");
        }
        node.run(&["node", "rename", "N3"]).failed("in small letters");
        node.run(&["node", "rename", "seven.example.org"]).done();
        assert_eq!(core.value("/fb/names/seven.example.org"), uuid.as_str());
        assert_eq!((core.keys("/fb/names/n2").len(), node.uuid()), (0, uuid.clone()));
        assert_eq!(core.value(&format!("/fb/nodes/{uuid}"))["name"], "seven.example.org");
        let names = Command::new("openssl")
            .args(["x509", "-noout", "-ext", "subjectAltName", "-in"])
            .arg(node.root.join("var/lib/firstboot/cluster/node.crt"))
            .output()
            .expect("openssl runs");
        let names = String::from_utf8_lossy(&names.stdout).into_owned();
        assert!(
            names.contains("DNS:seven.example.org, IP Address:10.77.0.2") && !names.contains("cored"),
            "{names}"
        );
        core.status(&["--wait", "60"]).done();
        assert!(
            other.run(&["node", "list"]).done().contains("seven.example.org  10.77.0.2  worker  healthy")
        );
    });
}

#[test]
fn a_removed_node_fences_itself_when_it_returns() {
    isolated("life::a_removed_node_fences_itself_when_it_returns", || {
        let (core, workers) = cluster(2);
        let (gone, leaving) = (&workers[0], &workers[1]);
        let uuid = gone.uuid();
        gone.systemctl(&["stop", "firstboot-node.service"]).done();
        core.run(&["node", "remove", "nobody"]).failed("there is no node 'nobody'");
        core.run(&["node", "remove", "n1"]).failed("cannot be removed");
        gone.run(&["node", "remove", "n3"]).failed("done on a node with the role 'controller'");
        core.run(&["node", "remove", "10.77.0.2"]).done();
        assert_eq!(core.keys("/fb/tombstones/"), [format!("/fb/tombstones/{uuid}")]);
        let left: Vec<String> = core.keys("/fb/").into_iter().filter(|key| key.contains(&uuid)).collect();
        assert!(left.iter().all(|key| key.contains("/audit/") || key.contains("/tombstones/")), "{left:?}");
        gone.run(&["node", "list"]).failed("this node was removed from the cluster");
        gone.systemctl(&["start", "firstboot-node.service"]).done();
        eventually("it fences itself", 10, || !gone.root.join("run/firstboot/fence-open").exists());
        eventually("its files are away", 30, || gone.member().is_null());
        assert!(gone.file("/run/calls").contains("disable --now -- worker.service"));
        // It may come as a new node, under its name.
        gone.run(&["node", "attach", "--token", &core.token("worker"), "-e", "worker", "--wait", "60s"])
            .done();
        assert_ne!(gone.uuid(), uuid);
        leaving.run(&["node", "detach"]).done();
        assert_eq!(core.keys("/fb/nodes/").len(), 2);
        core.status(&["--wait", "60"]).done();
    });
}

/// Copies the disk of a machine to another one, as a cloud does it with a snapshot.
fn copy(from: &Node, to: &Node) {
    for part in ["var", "etc"] {
        // A machine that runs may remove a file while cp is about to read it.
        eventually("the disk is copied", 10, || {
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(from.root.join(part)).arg(&to.root).status().expect("cp runs").success()
        });
    }
    // What names a machine's folder would name `/` on a real machine, and so the copy's own.
    let (old, new) = (from.root.display().to_string(), to.root.display().to_string());
    for (path, bytes) in to.files() {
        let text = String::from_utf8_lossy(&bytes);
        if path.is_file() && text.contains(&format!("{old}/")) || text.contains(&format!("{old} ")) {
            let text = text
                .replace(&format!("{old}/"), &format!("{new}/"))
                .replace(&format!("{old} "), &format!("{new} "));
            std::fs::write(path, text).expect("written");
        }
    }
    to.configure();
}

#[test]
fn copies_of_disks_are_fenced_before_anything_starts() {
    isolated("life::copies_of_disks_are_fenced_before_anything_starts", || {
        let (core, workers) = cluster(1);
        let (of_core, of_node) = (Node::new(8), Node::new(9));
        for unit in ["firstboot-node.service", "firstboot-cored.service", "firstboot-etcd.service"] {
            core.systemctl(&["stop", unit]).done();
        }
        std::fs::remove_dir_all(core.root.join("run/active")).expect("its record");
        copy(&core, &of_core);
        copy(&workers[0], &of_node);
        let units = [
            "firstboot-fence.service",
            "firstboot-etcd.service",
            "firstboot-cored.service",
            "firstboot-node.service",
        ];
        let boot = |node: &Node| units.iter().for_each(|unit| drop(node.systemctl(&["start", unit])));
        for node in [&core, &of_core, &of_node] {
            boot(node);
        }
        assert_eq!(
            of_core.file("/run/pids/firstboot-etcd.service"),
            "",
            "the copy of the store never starts"
        );
        // Units of its roles are enabled, and start behind the fence only.
        for (node, runs) in [(&of_node, false), (&workers[0], true)] {
            node.systemctl(&["stop", "worker.service"]).done();
            node.systemctl(&["start", "worker.service"]).done();
            assert_eq!(node.root.join("run/active/worker.service").exists(), runs, "{}", node.name);
        }
        for node in [&of_core, &of_node] {
            assert!(node.file("/log/firstboot-fence.service").contains("another one than joined"));
            assert!(node.member().is_null() && !node.root.join("run/firstboot/fence-open").exists());
            node.run(&["node", "list"]).failed("this machine is in no cluster");
        }
        core.status(&["--wait", "60"]).done();
        of_node
            .run(&[
                "node",
                "attach",
                "--token",
                &core.token("worker"),
                "-e",
                "worker",
                "--name",
                "n9",
                "--wait",
                "60s",
            ])
            .done();
        assert_eq!(core.keys("/fb/nodes/").len(), 3);
    });
}

/// Two machines that look the same to themselves: neither stays.
#[test]
fn two_machines_of_one_identity_are_both_fenced() {
    isolated("life::two_machines_of_one_identity_are_both_fenced", || {
        let (core, workers) = cluster(1);
        let (first, second) = (&workers[0], Node::new(9));
        second.write("/sys/class/dmi/id/product_uuid", &first.file("/sys/class/dmi/id/product_uuid"));
        copy(first, &second);
        core.status(&["--wait", "60"]).done();
        let start = ["start", "firstboot-fence.service", "firstboot-node.service"];
        second.systemctl(&start).done();
        eventually("both are fenced", 40, || first.member().is_null() && second.member().is_null());
        assert_eq!(core.status(&[]).code, 1);
    });
}

#[test]
fn ports_are_open_for_whom_the_role_says() {
    isolated("life::ports_are_open_for_whom_the_role_says", || {
        let nodes: Vec<Node> = (1..5).map(Node::new).collect();
        for node in &nodes {
            role(node, "web", r#""ports": [{"port": 8080, "from": "any"}]"#);
            role(node, "data", r#""ports": [{"port": 6000, "from": {"roles": ["web"]}}, {"port": 6001}]"#);
            role(node, "worker", "");
        }
        let [core, data, web, worker] = &nodes[..] else { panic!("four") };
        core.setup_core();
        // Whoever listens: the rules decide who gets through.
        let listen = |node: &Node, port: &str| {
            let script =
                format!("import socket,time\ns=socket.create_server(('',{port}))\nwhile True: s.accept()");
            node.command("python3").args(["-c", &script]).spawn().expect("python runs")
        };
        let listeners =
            [listen(data, "6000"), listen(data, "6001"), listen(web, "8080"), listen(web, "6000")];
        let reaches = |from: &Node, to: u8, port: &str| {
            let script = format!("exec 3<>/dev/tcp/10.77.0.{to}/{port}");
            let mut command = from.command("timeout");
            command.args(["2", "bash", "-c", &script]).output().expect("bash runs").status.success()
        };
        eventually("all listen", 10, || {
            ["6000", "6001"].iter().all(|port| reaches(worker, 2, port)) && reaches(worker, 3, "8080")
        });
        for (node, roles) in [(data, "data"), (web, "web"), (worker, "worker")] {
            node.run(&["node", "attach", "--token", &core.token(roles), "-e", roles, "--wait", "60s"]).done();
        }
        core.status(&["--wait", "60"]).done();
        eventually("the worker is kept out", 15, || !reaches(worker, 2, "6000"));
        eventually("the router is let in", 15, || reaches(web, 2, "6000"));
        // It was the last to join: rules that know the router may be of before.
        eventually("a member is let in", 15, || reaches(worker, 2, "6001"));
        eventually("anybody is let in", 15, || reaches(worker, 3, "8080"));
        assert!(!reaches(data, 3, "6000"), "the port of a role that the node has not");
        // A machine that is no node.
        let stranger = Node::new(9);
        eventually("a stranger is let in", 15, || reaches(&stranger, 3, "8080"));
        assert!(!reaches(&stranger, 2, "6001") && !reaches(&stranger, 1, "2380"));
        eventually("who has a token reaches the core", 15, || reaches(&stranger, 1, "7979"));
        // The roles move, and the rules with them.
        worker.run(&["role", "add", "web"]).done();
        eventually("the worker is let in", 15, || reaches(worker, 2, "6000"));
        data.run(&["node", "detach"]).done();
        eventually("no node, no rules", 15, || reaches(&stranger, 2, "6001"));
        for mut listener in listeners {
            listener.kill().expect("it runs");
        }
    });
}

#[test]
fn a_layout_is_judged_by_the_roles_of_the_image() {
    isolated("life::a_layout_is_judged_by_the_roles_of_the_image", || {
        let node = Node::new(1);
        role(&node, "worker", "");
        let layout = node.root.join("layout.yaml");
        let path = layout.to_str().expect("a plain path");
        let head = "version: 1\nendpoint: api.example.org\nnodes:\n  - {name: core, roles: [primary]}\n";
        node.write("/layout.yaml", &format!("{head}  - {{name: w, roles: [worker], count: 19}}\n"));
        let said = node.run(&["node", "plan", path]).done();
        assert_eq!(said.lines().count(), 20, "{said}");
        assert!(said.starts_with("core  controller, primary\nw-1  worker\n"), "{said}");
        node.write("/layout.yaml", &format!("{head}  - {{name: w, roles: [wroker]}}\n"));
        node.run(&["node", "plan", path])
            .failed("layout.yaml: line 5: the node 'w': there is no role or group 'wroker'");
    });
}

#[test]
fn certificates_are_renewed_by_themselves() {
    isolated("life::certificates_are_renewed_by_themselves", || {
        let (core, node) = (Node::new(1), Node::new(2));
        role(&core, "worker", "");
        role(&node, "worker", "");
        core.run(&["node", "setup", "core", "api.example.org", "--certificate-life", "20s"]).done();
        node.run(&["node", "attach", "--token", &core.token("worker"), "-e", "worker", "--wait", "60s"])
            .done();
        let certificate = |node: &Node| node.file("/var/lib/firstboot/cluster/node.crt");
        let before = [certificate(&core), certificate(&node)];
        let key = node.file("/var/lib/firstboot/cluster/node.key");
        eventually("the node has another one", 40, || certificate(&node) != before[1]);
        eventually("the core has another one", 40, || certificate(&core) != before[0]);
        std::thread::sleep(std::time::Duration::from_secs(22));
        core.status(&["--wait", "60"]).done();
        assert_eq!(node.file("/var/lib/firstboot/cluster/node.key"), key, "the key stays");
    });
}
