//! Which members etcd shall have, and the next step to them. Pure: `duty` looks, asks here, and does it.
//!
//! At rest one, three or five members vote. One core node more than that is a learner: it has all data and no vote, so
//! its loss stops nothing. Two or four voters are there only on the way from one of these numbers to the next.

use super::store::{MemberChange, StoreMember};

/// Most voters.
pub const MOST: usize = 5;

/// A node with the role of a core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// Its UUID.
    pub uuid: String,
    /// Where its etcd is or would be reached.
    pub url: String,
    /// Whether it asked for a place a moment ago.
    pub is_waiting: bool,
    /// Whether it is the one that nodes ask first, which keeps its vote longest.
    pub is_primary: bool,
    /// Whether it was heard lately.
    pub is_live: bool,
}

/// What a look at one moment does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patience {
    /// Whether the learner has run for so long that etcd counts it as connected.
    pub is_steady: bool,
    /// Whether the learner had time enough to come up, and did not.
    pub is_late: bool,
    /// Whether an even number of voters waited long enough for one more.
    pub is_stalled: bool,
}

/// How many voters so many core nodes have at rest.
pub fn at_rest(controllers: usize) -> usize {
    match controllers.clamp(1, MOST) {
        even if even.is_multiple_of(2) => even - 1,
        odd => odd,
    }
}

/// The node that a member belongs to: by its name once it was started, by its address before.
pub fn owner<'a>(member: &StoreMember, controllers: &'a [Controller]) -> Option<&'a Controller> {
    controllers.iter().find(|one| match member.name.is_empty() {
        true => one.url == member.url,
        false => one.uuid == member.name,
    })
}

/// The next step, if there is one now. `own` is the member that leads: it never takes itself out.
pub fn next(
    members: &[StoreMember],
    controllers: &[Controller],
    own: u64,
    patience: &Patience,
) -> Option<MemberChange> {
    let others = || members.iter().filter(|member| member.id != own);
    // Who is no core node any more; its last step was cut.
    if let Some(left) = others().find(|member| owner(member, controllers).is_none()) {
        return Some(MemberChange::Remove(left.id));
    }
    let moved = |member: &&StoreMember| owner(member, controllers).is_some_and(|node| node.url != member.url);
    if let Some(member) = members.iter().find(moved) {
        let url = owner(member, controllers)?.url.clone();
        // A learner gets its members' places from nobody but the one that added it: it comes anew.
        return Some(match member.is_learner {
            true => MemberChange::Remove(member.id),
            false => MemberChange::Readdress(member.id, url),
        });
    }
    let learner = members.iter().find(|member| member.is_learner);
    if let Some(learner) = learner.filter(|_| patience.is_late) {
        return Some(MemberChange::Remove(learner.id));
    }
    let voters = members.len() - usize::from(learner.is_some());
    let wanted = at_rest(controllers.len());
    if voters > wanted || (voters.is_multiple_of(2) && patience.is_stalled) {
        return demote(members, controllers, own);
    }
    let mut waiting = controllers.iter().filter(|node| {
        node.is_waiting && !members.iter().any(|member| owner(member, controllers) == Some(node))
    });
    match learner {
        None => waiting.next().map(|node| MemberChange::Add(node.url.clone())),
        Some(learner) if voters < wanted && !learner.name.is_empty() => {
            // A second or fourth vote only when the third or fifth is about to follow.
            let completes = voters.is_multiple_of(2);
            let follows = patience.is_steady && waiting.next().is_some();
            (completes || follows).then_some(MemberChange::Promote(learner.id))
        }
        Some(_) => None,
    }
}

/// Takes a vote: first of one that is silent, the primary's last, and never the leader's own.
fn demote(members: &[StoreMember], controllers: &[Controller], own: u64) -> Option<MemberChange> {
    let rank = |member: &StoreMember| owner(member, controllers).map(|node| (node.is_live, node.is_primary));
    let mut voters: Vec<&StoreMember> =
        members.iter().filter(|member| !member.is_learner && member.id != own).collect();
    voters.sort_by_key(|member| (rank(member), member.name.clone()));
    voters.first().map(|member| MemberChange::Remove(member.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, name: &str, is_learner: bool) -> StoreMember {
        StoreMember { id, name: name.into(), url: format!("https://{id}:2380"), is_learner }
    }

    /// Core nodes whose names are numbers of members; those with a `?` wait.
    fn controllers(names: &[&str]) -> Vec<Controller> {
        let read = |name: &&str| {
            let uuid = name.trim_end_matches('?').to_owned();
            let url = format!("https://{uuid}:2380");
            Controller { is_primary: uuid == "1", is_waiting: name.ends_with('?'), is_live: true, uuid, url }
        };
        names.iter().map(read).collect()
    }

    fn voters(count: u64) -> Vec<StoreMember> {
        (1..=count).map(|id| member(id, &id.to_string(), false)).collect()
    }

    #[test]
    fn one_three_or_five_at_rest() {
        let numbers: Vec<usize> = (0..8).map(at_rest).collect();
        assert_eq!(numbers, [1, 1, 1, 3, 3, 5, 5, 5]);
        let calm = Patience { is_steady: true, ..Patience::default() };
        for (count, names) in [(1, &["1"][..]), (3, &["1", "2", "3"]), (5, &["1", "2", "3", "4", "5"])] {
            assert_eq!(next(&voters(count), &controllers(names), 1, &calm), None);
        }
    }

    #[test]
    fn growth_is_one_at_a_time_and_two_only_for_three() {
        let calm = Patience { is_steady: true, ..Patience::default() };
        let two = controllers(&["1", "2?"]);
        assert_eq!(next(&voters(1), &two, 1, &calm), Some(MemberChange::Add("https://2:2380".into())));
        let with = |mut members: Vec<StoreMember>, learner: StoreMember| {
            members.push(learner);
            members
        };
        let standby = with(voters(1), member(2, "2", true));
        assert_eq!(next(&standby, &controllers(&["1", "2"]), 1, &calm), None, "a second one has no vote");
        let three = controllers(&["1", "2", "3?"]);
        assert_eq!(next(&standby, &three, 1, &calm), Some(MemberChange::Promote(2)));
        let new = Patience::default();
        assert_eq!(next(&standby, &three, 1, &new), None, "not while etcd would not take the third");
        assert_eq!(next(&standby, &controllers(&["1", "2", "3"]), 1, &calm), None, "the third is not here");
        assert_eq!(next(&voters(2), &three, 1, &new), Some(MemberChange::Add("https://3:2380".into())));
        let started = with(voters(2), member(3, "3", true));
        assert_eq!(next(&started, &three, 1, &new), Some(MemberChange::Promote(3)));
        let unstarted = with(voters(2), member(3, "", true));
        assert_eq!(next(&unstarted, &three, 1, &new), None);
        let late = Patience { is_late: true, ..new };
        assert_eq!(next(&unstarted, &three, 1, &late), Some(MemberChange::Remove(3)));
    }

    #[test]
    fn what_was_cut_is_undone() {
        let stalled = Patience { is_stalled: true, ..Patience::default() };
        let three = controllers(&["1", "2", "3"]);
        assert_eq!(next(&voters(2), &three, 1, &stalled), Some(MemberChange::Remove(2)));
        assert_eq!(next(&voters(2), &three, 2, &stalled), Some(MemberChange::Remove(1)), "never itself");
        assert_eq!(
            next(&voters(4), &controllers(&["1", "2", "3", "4"]), 1, &stalled),
            Some(MemberChange::Remove(2))
        );
        // Shrinking: the one that left first, then the one too many, the primary last.
        let calm = Patience::default();
        assert_eq!(next(&voters(3), &controllers(&["1", "2"]), 2, &calm), Some(MemberChange::Remove(3)));
        assert_eq!(next(&voters(2), &controllers(&["1", "2"]), 1, &calm), Some(MemberChange::Remove(2)));
        let mut silent = controllers(&["1", "2", "3", "4"]);
        silent[2].is_live = false;
        assert_eq!(next(&voters(4), &silent, 1, &calm), Some(MemberChange::Remove(3)), "who is silent first");
    }

    #[test]
    fn who_moved_is_reached_where_it_is() {
        let mut nodes = controllers(&["1", "2"]);
        nodes[1].url = "https://9:2380".into();
        let calm = Patience::default();
        let mut members = voters(2);
        assert_eq!(
            next(&members, &nodes, 1, &calm),
            Some(MemberChange::Readdress(2, "https://9:2380".into()))
        );
        members[1].is_learner = true;
        assert_eq!(next(&members, &nodes, 1, &calm), Some(MemberChange::Remove(2)));
    }
}
