//! The power goes at any moment of a first boot; what comes of the next one is what an undisturbed one makes.

use crate::draw::{cuts, mixed, seed};
use crate::expected::check_first;
use crate::guest::{Answers, Guest};
use crate::matrix::{NO_CLOUD, no_cloud_guest};

const CARD: &str = "52:54:00:00:00:01";

fn guest(name: &str) -> Guest {
    let mut guest = no_cloud_guest(name);
    guest.add_card("n0", CARD, "");
    guest.keep_flushes();
    // The probe ends the machine after one boot.
    guest.add(&["-smbios", "type=2,serial=one-boot"]);
    guest
}

#[test]
#[ignore = "boots guests for minutes; scripts/soak runs it"]
fn a_cut_first_boot_ends_as_an_undisturbed_one() {
    let (span, undisturbed) = guest("undisturbed").measure().expect("it runs");
    println!("from the first unit's beginning to the second's end: {span:?}");
    check_first(&undisturbed, &NO_CLOUD);
    for number in 0..cuts() {
        let part = mixed(seed(), &format!("cut {number}")) % 1000;
        let after = span * u32::try_from(part).expect("below 1000") / 1000;
        let guest = guest(&format!("cut-{number}"));
        let was_cut = guest.cut(after).expect("it runs");
        println!(
            "cut {number}: power gone {after:?} after the beginning, before the run had ended: {was_cut}"
        );
        let answers = guest.boot().expect("it boots again");
        check_first(&answers, &NO_CLOUD);
        assert_eq!(lasting(&answers), lasting(&undisturbed), "cut {number}, {after:?} after the beginning");
    }
}

/// Returns the configuration without what every machine draws for itself, and the journal that tells of the way.
pub fn lasting(answers: &Answers) -> Vec<String> {
    let drawn = ["/etc/machine-id", "/etc/ssh/ssh_host_", "/var/lib/firstboot/journal"];
    let is_drawn = |line: &&str| drawn.iter().any(|path| line.contains(path));
    answers.text(1, "manifest").lines().filter(|line| !is_drawn(line)).map(str::to_owned).collect()
}
