use super::{Folder, HEAD};
use crate::recipe::{FileContent, LoadOptions, Recipe};

const ROLES: &str = r#"
packages: [nginx-light]
services: { enable: [ssh] }
roles:
  controller: {}
  router:
    description: sends requests on
    packages: [nginx-light, ssl-cert]
    units: [nginx]
    ports: [{ port: 443, from: any }, { port: 53, protocol: udp, from: [router] }, { port: 80 }]
    files: [{ path: /etc/pool, content: "{{ node.name }}", mode: "0640", validate: "true" }]
    prepare: ["true"]
    health: { port: 443, run: "true", within: 90s }
    conflicts: [balancer]
    requires: [base]
    groups: [web]
    certificate: true
  balancer: { exclusive: true, units: [nginx.service] }
  base: { single_node: true }
"#;

fn load(text: &str) -> Recipe {
    let folder = Folder::new(&[("recipe.yaml", text)]);
    folder.load("recipe.yaml", &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn roles_become_packages_files_and_disabled_units() {
    let recipe = load(&format!("{HEAD}{ROLES}"));
    let packages: Vec<&str> = recipe.packages.iter().map(|wish| wish.name.as_str()).collect();
    assert_eq!(packages, ["nginx-light", "etcd-server", "ssl-cert", "nftables"]);
    let words = |units: &[crate::recipe::Located<String>]| {
        units.iter().map(|unit| unit.value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(words(&recipe.services.enable), ["ssh.service"]);
    assert_eq!(words(&recipe.services.disable), ["nginx.service"]);
    assert_eq!(words(&recipe.services.mask), ["etcd.service"]);
    assert_eq!(recipe.firstboot.as_ref().map(|document| document.value.as_str()), Some("{}\n"));
    assert_eq!(recipe.files.len(), 4);
    let router = recipe.files.iter().find(|file| file.path.value == "/etc/firstboot/roles.d/router.json");
    let FileContent::Inline(text) = &router.expect("it is there").content.value else { panic!("a text") };
    let role: contract::roles::Role = serde_json::from_str(text).expect("a clone reads it");
    assert_eq!((role.units, role.files[0].mode), (vec!["nginx.service".to_owned()], 0o640));
    assert!(role.certificate && !role.exclusive);
    assert_eq!((role.ports.len(), role.health.map(|health| health.within)), (3, Some(90)));
    assert!(load(HEAD).firstboot.is_none());
}
