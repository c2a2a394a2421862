//! Templates of roles: the language of Jinja, over facts of the cluster.
//!
//! `node` is this node, `cluster` the cluster, `nodes` all its members, `roles.NAME` those with a role; a node has
//! `name`, `address`, `uuid` and `roles`; `certificate` is the path of the endpoint's. What is not there is an error, not an
//! empty text: half a configuration is worse than none.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

/// What templates can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// This node.
    pub node: NodeFacts,
    /// The cluster.
    pub cluster: ClusterFacts,
    /// All members, by name.
    pub nodes: Vec<NodeFacts>,
    /// Members by role, by name; a role that nobody has is an empty list.
    pub roles: BTreeMap<String, Vec<NodeFacts>>,
    /// Where the certificate of the cluster's endpoint is: a PEM file of the chain, then its key.
    pub certificate: String,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its UUID.
    pub uuid: String,
    /// Its roles.
    pub roles: Vec<String>,
}

/// The cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFacts {
    /// Its UUID.
    pub uuid: String,
    /// The name under which its users know it.
    pub endpoint: String,
}

/// Checks that a text is a template.
///
/// # Errors
///
/// Says what is wrong, with the line.
pub fn check(text: &str) -> Result<(), String> {
    let mut environment = environment();
    environment.add_template("it", text).map_err(|error| describe(&error))
}

/// Fills in a template.
///
/// # Errors
///
/// Says what is wrong, with the line.
pub fn render(text: &str, facts: &Facts) -> Result<String, String> {
    environment().render_str(text, facts).map_err(|error| describe(&error))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    environment
}

fn describe(error: &minijinja::Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    format!("{line}{}{detail}", error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_of_routers() {
        let node = |name: &str, address: &str| NodeFacts {
            name: name.into(),
            address: address.into(),
            uuid: "u".into(),
            roles: vec!["router".into()],
        };
        let routers = vec![node("r1", "10.0.0.1"), node("r2", "10.0.0.2")];
        let facts = Facts {
            node: node("me", "10.0.0.9"),
            cluster: ClusterFacts { uuid: "c".into(), endpoint: "api.example.org".into() },
            nodes: routers.clone(),
            roles: [("router".to_owned(), routers)].into(),
            certificate: "/c.pem".into(),
        };
        let text = "{% for one in roles.router if one.address != node.address %}\nserver {{ one.address }};\n{% endfor %}\n# {{ cluster.endpoint }}\n";
        assert_eq!(
            render(text, &facts).expect("rendered"),
            "server 10.0.0.1;\nserver 10.0.0.2;\n# api.example.org\n"
        );
        let told = render("a\n{{ roles.rooter[0].name }}\n", &facts).expect_err("not there");
        assert!(told.starts_with("line 2: "), "{told}");
        let told = check("{% for x in %}").expect_err("no template");
        assert!(told.starts_with("line 1: "), "{told}");
    }
}
