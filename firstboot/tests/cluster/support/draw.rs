//! Which of several long cases this run takes.
//!
//! `scripts/test` gives a seed by `BOOTWRIGHT_DRAW`; one case of each family is drawn by it. Without the variable, as in
//! `scripts/soak` and in a run by hand, every case runs.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Families: joining, living, many nodes, several core nodes.
const FAMILIES: [&[&str]; 4] = [
    &[
        "user_data::documents_begin_and_join_a_cluster",
        "join::a_core_a_token_and_a_node",
        "join::what_a_token_does_not_allow",
        "join::one_name_is_one_node",
        "join::proofs_belong_to_one_connection",
        "join::a_join_that_is_cut_anywhere_goes_on",
        "join::a_core_that_dies_in_a_join_is_asked_again",
        "join::half_a_join_goes_by_itself",
        "join::a_role_that_takes_long_to_start_keeps_its_place",
    ],
    &[
        "life::templates_follow_the_cluster_and_bad_ones_do_not_count",
        "life::roles_are_added_and_removed_whole_or_not_at_all",
        "life::a_renamed_node_stays_the_same_node",
        "life::a_removed_node_fences_itself_when_it_returns",
        "life::copies_of_disks_are_fenced_before_anything_starts",
        "life::two_machines_of_one_identity_are_both_fenced",
        "life::ports_are_open_for_whom_the_role_says",
        "life::a_layout_is_judged_by_the_roles_of_the_image",
        "life::certificates_are_renewed_by_themselves",
        "balancer::the_pool_of_the_balancer_follows_the_cluster",
        "balancer::a_certificate_is_judged_before_anybody_sees_it",
    ],
    &[
        "scale::twenty_nodes_at_once",
        "scale::three_and_five_nodes",
        "scale::a_cut_network_heals",
        "scale::a_network_that_loses_packets",
        "scale::openssl_and_etcd_agree",
    ],
    &[
        "voters::one_three_five_and_back",
        "voters::only_a_token_makes_a_core_node",
        "voters::growth_that_is_cut_is_undone_and_goes_on",
        "loss::one_of_three_then_two",
        "loss::a_partition_and_a_network_that_loses_packets",
        "loss::a_node_that_was_off_for_longer_than_its_certificate",
        "loss::deeds_are_remembered_and_not_for_ever",
        "migrate::a_node_with_another_address_does_what_is_needed_by_itself",
        "migrate::the_only_core_moves_and_all_find_it",
        "migrate::one_of_three_core_nodes_moves_while_all_work",
    ],
];

/// Tells whether the case of this full name runs; one that does not says so.
///
/// # Panics
/// A case of no family, or a seed that is no number.
pub fn is_drawn(name: &str) -> bool {
    let family = FAMILIES.iter().find(|family| family.contains(&name)).expect("every case has a family");
    let Some(seed) = std::env::var_os("BOOTWRIGHT_DRAW") else { return true };
    let seed: u64 = seed.to_str().and_then(|text| text.parse().ok()).expect("BOOTWRIGHT_DRAW is a number");
    let mut hasher = DefaultHasher::new();
    (seed, family).hash(&mut hasher);
    let drawn = family[usize::try_from(hasher.finish() % family.len() as u64).expect("small")];
    if drawn != name {
        println!("{drawn} was drawn and not {name}");
    }
    drawn == name
}
