//! All roles of an image, and what follows from one being asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::{CONTROLLER, PRIMARY, PortSource, Role, check_name, template};

/// All roles of an image by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue(BTreeMap<String, Role>);

impl Catalogue {
    /// Puts the cluster's own roles beside those of a recipe, which may say more of them.
    pub fn new(roles: impl IntoIterator<Item = Role>) -> Self {
        let own = [
            (CONTROLLER, "holds the cluster: etcd and cored", &[][..]),
            (PRIMARY, "the controller that is asked first", &[CONTROLLER][..]),
        ];
        let own = own.map(|(name, description, requires)| Role {
            name: name.into(),
            description: description.into(),
            requires: requires.iter().map(|role| (*role).to_owned()).collect(),
            ..Role::default()
        });
        Self(own.into_iter().chain(roles).map(|role| (role.name.clone(), role)).collect())
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.0.values()
    }

    /// The role of this name.
    pub fn get(&self, name: &str) -> Option<&Role> {
        self.0.get(name)
    }

    /// What is wrong between roles: names that nobody has, circles, templates that cannot be read. Each with the role.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for role in self.roles() {
            let before = found.len();
            let mut tell = |reason: String| found.push((role.name.clone(), reason));
            let sources = role.ports.iter().filter_map(|port| match &port.from {
                PortSource::Roles(roles) => Some(roles),
                PortSource::Any | PortSource::Cluster => None,
            });
            let named = role.requires.iter().chain(&role.conflicts).chain(sources.flatten());
            for name in named.filter(|name| !self.is_known(name)) {
                tell(self.unknown(name));
            }
            for group in &role.groups {
                if let Err(reason) = check_name(group) {
                    tell(reason);
                } else if self.0.contains_key(group) {
                    tell(format!("the group '{group}' has the name of a role"));
                }
            }
            if self.needs(&role.name).contains(&role.name) {
                tell("it requires itself, over others".into());
            }
            for file in &role.files {
                if let Err(reason) = template::check(&file.content) {
                    tell(format!("the template of '{}': {reason}", file.path));
                }
            }
            // What was told already is why nobody can.
            if found.len() == before
                && let Err(reason) = self.resolve(std::slice::from_ref(&role.name))
            {
                found.push((role.name.clone(), format!("nobody can have it: {reason}")));
            }
        }
        found.dedup();
        found
    }

    fn is_known(&self, name: &str) -> bool {
        self.0.contains_key(name) || self.roles().any(|role| role.groups.iter().any(|group| group == name))
    }

    fn unknown(&self, name: &str) -> String {
        let names: BTreeSet<&str> = self.0.keys().map(String::as_str).chain(self.groups()).collect();
        let known = names.into_iter().collect::<Vec<_>>().join(", ");
        format!("there is no role or group '{:.80}'; there are: {known}", name.escape_debug())
    }

    /// The names of all groups; one may come several times.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.roles().flat_map(|role| role.groups.iter().map(String::as_str))
    }

    /// Roles that a role requires, over all steps.
    fn needs(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(next) = open.pop() {
            for needed in self.get(&next).iter().flat_map(|role| &role.requires) {
                if found.insert(needed.clone()) {
                    open.push(needed.clone());
                }
            }
        }
        found
    }

    /// The roles that names of roles and groups mean, without what they require.
    ///
    /// # Errors
    ///
    /// When there is no such role or group.
    pub fn expand(&self, names: &[String]) -> Result<BTreeSet<String>, String> {
        let mut wanted = BTreeSet::new();
        for name in names {
            if self.0.contains_key(name) {
                wanted.insert(name.clone());
                continue;
            }
            let members = self.roles().filter(|role| role.groups.contains(name));
            let members: Vec<String> = members.map(|role| role.name.clone()).collect();
            if members.is_empty() {
                return Err(self.unknown(name));
            }
            wanted.extend(members);
        }
        Ok(wanted)
    }

    /// The roles of a node that is asked to have `names`: groups resolved, what is required added, in the order in which
    /// they start.
    ///
    /// # Errors
    ///
    /// When there is no such role, or they cannot be on one node.
    pub fn resolve(&self, names: &[String]) -> Result<Vec<String>, String> {
        let mut wanted = self.expand(names)?;
        for name in wanted.clone() {
            wanted.extend(self.needs(&name));
        }
        for name in &wanted {
            let role = self.get(name).ok_or_else(|| self.unknown(name))?;
            if let Some(other) = role.conflicts.iter().find(|other| wanted.contains(*other)) {
                return Err(format!("'{name}' and '{other}' cannot be on one node"));
            }
            if role.exclusive
                && let Some(other) =
                    wanted.iter().find(|other| *other != name && !role.requires.contains(other))
            {
                return Err(format!("'{name}' is alone on its node, and '{other}' is asked for as well"));
            }
        }
        let mut order = Vec::new();
        while order.len() < wanted.len() {
            let ready = wanted.iter().find(|name| {
                !order.contains(*name)
                    && self
                        .get(name)
                        .is_some_and(|role| role.requires.iter().all(|needed| order.contains(needed)))
            });
            order.push(ready.ok_or("roles require each other in a circle")?.clone());
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, change: impl FnOnce(&mut Role)) -> Role {
        let mut role = Role { name: name.into(), ..Role::default() };
        change(&mut role);
        role
    }

    fn names(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn catalogue() -> Catalogue {
        let data = || names(&["data"]);
        Catalogue::new([
            role("mysql", |role| role.groups = data()),
            role("redis", |role| role.groups = data()),
            role("web", |role| role.requires = names(&["base"])),
            role("base", |_| {}),
            role("balancer", |role| role.exclusive = true),
            role("odd", |role| role.conflicts = names(&["redis"])),
        ])
    }

    #[test]
    fn groups_requirements_and_order() {
        for (asked, wanted) in [
            (&["data"][..], &["mysql", "redis"][..]),
            (&["web", "redis"], &["base", "redis", "web"]),
            (&["primary"], &["controller", "primary"]),
            (&["balancer"], &["balancer"]),
        ] {
            assert_eq!(catalogue().resolve(&names(asked)).expect("possible"), wanted);
        }
        for (asked, why) in [
            (&["dta"][..], "there is no role or group 'dta'; there are: balancer, base, controller, data"),
            (&["balancer", "base"], "'balancer' is alone on its node, and 'base'"),
            (&["odd", "data"], "'odd' and 'redis' cannot be on one node"),
        ] {
            let told = catalogue().resolve(&names(asked)).expect_err("impossible");
            assert!(told.contains(why), "{told}");
        }
        assert_eq!(catalogue().problems(), []);
    }

    #[test]
    fn problems_are_told_with_their_role() {
        let wrong = Catalogue::new([
            role("a", |role| role.requires = names(&["b"])),
            role("b", |role| role.requires = names(&["a", "nobody"])),
            role("c", |role| role.groups = names(&["a"])),
            role("d", |role| {
                role.files.push(super::super::RoleFile {
                    path: "/etc/x".into(),
                    content: "{% if %}".into(),
                    mode: 0o644,
                    validate: None,
                });
            }),
        ]);
        let told = wrong.problems();
        for (name, reason) in [
            ("a", "requires itself"),
            ("b", "'nobody'"),
            ("c", "has the name of a role"),
            ("d", "the template of '/etc/x'"),
        ] {
            assert!(told.iter().any(|(role, why)| role == name && why.contains(reason)), "{name}: {told:?}");
        }
    }
}
