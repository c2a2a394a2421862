//! Clusters by documents alone, as clones of an image get them.

use crate::support::{Node, eventually, isolated, role};

fn seed(node: &Node, instance: &str, user_data: &str) {
    node.write("/var/lib/cloud/seed/nocloud/meta-data", &format!("instance-id: {instance}\n"));
    node.write("/var/lib/cloud/seed/nocloud/user-data", &format!("#cloud-config\n{user_data}"));
}

#[test]
fn documents_begin_and_join_a_cluster() {
    isolated("user_data::documents_begin_and_join_a_cluster", || {
        let (core, node, template) = (Node::new(1), Node::new(2), Node::new(3));
        for one in [&core, &node, &template] {
            role(one, "worker", "");
        }
        seed(&core, "one", "cluster: {setup: api.example.org}\n");
        core.configure_whole().done();
        assert_eq!(core.member()["roles"].to_string(), r#"["controller","primary"]"#);
        let token = core.run(&["token", "create", "-e", "worker", "--uses", "3"]).done();
        let token = token.trim();

        // The core by a name that only the machine's own file knows, in place of the token's address.
        node.write("/etc/hosts", "127.0.0.1 localhost\n10.77.0.1 core.example.org\n");
        let nowhere = token.replace("10.77.0.1", "10.77.0.99");
        let text = format!("cluster: {{core: core.example.org, token: \"{nowhere}\", roles: [worker]}}\n");
        seed(&node, "two", &text);
        node.configure_whole().done();
        assert_eq!(core.value("/fb/names/n2"), node.uuid().as_str());
        let uuid = node.uuid();
        node.configure_whole().done();
        assert_eq!(node.uuid(), uuid, "it joins once");
        assert!(!node.file("/var/lib/firstboot/journal").contains("fb1."), "the token is not in the journal");
        assert!(!node.file("/var/lib/firstboot/report.json").contains("fb1."), "nor in the report");

        // A template joins never, its clones do.
        seed(&template, "three", &format!("cluster: {{token: \"{token}\", roles: [worker], defer: true}}\n"));
        template.configure_whole().done();
        assert!(template.member().is_null());
        let clone = Node::new(4);
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(template.root.join("var"))
            .arg(&clone.root)
            .status();
        assert!(copied.expect("cp runs").success());
        role(&clone, "worker", "");
        std::fs::remove_dir_all(clone.root.join("var/lib/cloud")).expect("it was copied");
        clone.configure_whole().done();
        assert_eq!(core.value("/fb/names/n4"), clone.uuid().as_str());
        template.configure_whole().done();
        assert!(template.member().is_null());
        core.status(&["--wait", "60"]).done();
        assert_eq!(core.keys("/fb/nodes/").len(), 3);

        // A document that cannot be fulfilled fails as a step, and says why.
        let wrong = Node::new(5);
        role(&wrong, "worker", "");
        seed(&wrong, "five", "cluster: {token: fb1.x, roles: [worker]}\n");
        let said = wrong.configure_whole();
        assert!(said.code == 1 && said.out.contains("this is no token"), "{said:?}");
        eventually("nothing of it is left", 1, || wrong.member().is_null());
    });
}
