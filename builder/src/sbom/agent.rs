//! Who maintains a package, in the words of SPDX: `Person: Name (address)` or `Organization: Name (address)`.

/// Words in names of teams.
const TEAM: [&str; 10] = [
    "team",
    "teams",
    "maintainer",
    "maintainers",
    "developers",
    "group",
    "packagers",
    "project",
    "packages",
    "debian",
];

/// Words in the hosts of mailing lists.
const LISTS: [&str; 4] = ["lists.", "alioth-lists.", "packages.debian.org", "tracker.debian.org"];

/// Returns the agent of a `Maintainer` field; none if it names nobody. The field does not tell a person from a team: names
/// and hosts of teams and mailing lists do.
pub(super) fn agent(maintainer: &str) -> Option<String> {
    let (name, address) = match maintainer.split_once('<') {
        Some((name, address)) => (name.trim(), address.trim_end().trim_end_matches('>').trim()),
        None => (maintainer.trim(), ""),
    };
    let name = if name.is_empty() { address } else { name };
    if name.is_empty() {
        return None;
    }
    let kind = if is_team(name, address) { "Organization" } else { "Person" };
    // Round brackets are for the address.
    let name = name.trim_matches('"').replace('(', "[").replace(')', "]");
    let address = if address.contains(['(', ')']) { "" } else { address };
    Some(if address.is_empty() { format!("{kind}: {name}") } else { format!("{kind}: {name} ({address})") })
}

fn is_team(name: &str, address: &str) -> bool {
    let name = name.to_lowercase();
    let host = address.split_once('@').map_or("", |(_, host)| host);
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    words.any(|word| TEAM.contains(&word)) || LISTS.iter().any(|list| host.starts_with(list))
}

#[cfg(test)]
mod tests {
    use super::agent;

    #[test]
    fn people_and_teams_are_told_apart() {
        for (field, expected) in [
            (
                "GNU Libc Maintainers <debian-glibc@lists.debian.org>",
                "Organization: GNU Libc Maintainers (debian-glibc@lists.debian.org)",
            ),
            ("Santiago Vila <sanvila@debian.org>", "Person: Santiago Vila (sanvila@debian.org)"),
            ("Dpkg <x@tracker.debian.org>", "Organization: Dpkg (x@tracker.debian.org)"),
            ("A (who) B <a@b.org>", "Person: A [who] B (a@b.org)"),
            ("<a@b.org>", "Person: a@b.org (a@b.org)"),
            ("Nobody", "Person: Nobody"),
        ] {
            assert_eq!(agent(field).as_deref(), Some(expected));
        }
        assert_eq!(agent(" <>"), None);
    }
}
