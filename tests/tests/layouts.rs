//! The layouts that people copy, judged by the real `firstboot` with the roles that recipes/microcloud.yaml gives an image.

use std::fs;
use std::process::Command;

use bootwright::recipe::{self, FileContent, LoadOptions};
use contract::roles::{FOLDER, PortSource, Role};
use integration_tests::program::{bootwright, checkout};
use integration_tests::scratch::Scratch;
use serde_json::Value;

/// The roles of the recipe, as an image has them.
fn roles() -> Vec<(String, String)> {
    let path = checkout().join("recipes/microcloud.yaml");
    let recipe = recipe::load(&path, &LoadOptions::default()).expect("the recipe is good");
    let of_roles = recipe.files.iter().filter(|file| file.path.value.starts_with(FOLDER));
    of_roles
        .map(|file| {
            let FileContent::Inline(text) = &file.content.value else { panic!("a text") };
            (file.path.value.clone(), text.clone())
        })
        .collect()
}

fn machine() -> Scratch {
    let machine = Scratch::new("layouts");
    for (path, text) in roles() {
        let path = machine.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    machine
}

/// `firstboot node plan`: its exit code, and both streams.
fn plan(machine: &Scratch, layout: &str) -> (Option<i32>, String, String) {
    let output = Command::new(bootwright().with_file_name("firstboot"))
        .args(["node", "plan", "--json", layout, "--root"])
        .arg(machine.path())
        .output()
        .expect("firstboot runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn layouts_of_one_three_five_and_twenty_nodes_can_be() {
    let machine = machine();
    for (name, count, controllers, unused) in [
        ("1-node", 1, 1, &["load_balancer"][..]),
        ("3-nodes", 3, 1, &["load_balancer"]),
        ("5-nodes", 5, 3, &["load_balancer"]),
        ("20-nodes", 20, 3, &[]),
    ] {
        let layout = checkout().join(format!("recipes/layouts/{name}.yaml"));
        let (code, said, told) = plan(&machine, layout.to_str().expect("a plain path"));
        assert_eq!(code, Some(0), "{name}: {told}");
        let planned: Value = serde_json::from_str(&said).expect("JSON");
        let nodes = planned["nodes"].as_array().expect("nodes");
        assert_eq!(nodes.len(), count, "{name}");
        let has =
            |node: &Value, role: &str| node["roles"].as_array().expect("roles").iter().any(|one| one == role);
        assert!(has(&nodes[0], "primary") && has(&nodes[0], "controller"), "{name}: {}", nodes[0]);
        assert_eq!(nodes.iter().filter(|node| has(node, "controller")).count(), controllers, "{name}");
        assert!(nodes.iter().any(|node| has(node, "router")), "{name}: somebody takes requests");
        for service in ["postgresql", "mysql", "redis", "rabbit", "memcached", "filesystem"] {
            let holders = nodes.iter().filter(|node| has(node, service)).count();
            assert_eq!(holders, 1, "{name}: {service} is in one place");
        }
        assert_eq!(planned["unused"], serde_json::json!(unused), "{name}");
    }
    // A balancer is alone on its node.
    let text = "version: 1\nendpoint: a.example.org\nnodes: [{ name: one, roles: [primary, router, load_balancer] }]\n";
    let wrong = machine.path().join("wrong.yaml");
    fs::write(&wrong, text).expect("written");
    let (code, _, told) = plan(&machine, wrong.to_str().expect("a plain path"));
    assert_eq!(code, Some(1));
    assert!(
        told.contains("wrong.yaml: line 3: the node 'one': 'load_balancer' is alone on its node"),
        "{told}"
    );
}

#[test]
fn only_the_front_is_open_to_anybody() {
    for (path, text) in roles() {
        let role: Role = serde_json::from_str(&text).expect("a clone reads it");
        let is_front = matches!(role.name.as_str(), "router" | "load_balancer");
        for port in &role.ports {
            let is_named = matches!(&port.from, PortSource::Roles(roles) if !roles.is_empty());
            assert!(is_front || is_named, "{path}: port {} is open to more than named roles", port.port);
        }
        assert_eq!(role.certificate, is_front, "{path}");
        assert!(role.units.is_empty() || role.health.is_some(), "{path} says how it is known to work");
    }
}
