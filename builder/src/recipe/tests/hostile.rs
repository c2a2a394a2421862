use std::time::{Duration, Instant};

use super::{Folder, HEAD, errors_of};
use crate::recipe::LoadOptions;

#[test]
fn large_texts_are_refused_or_read_in_little_time() {
    let started = Instant::now();
    let keys: String = (0..80_000).map(|number| format!("k{number}: \n")).collect();
    assert_eq!(errors_of(&keys), "1001:1: a map has more than 1000 keys\n");
    let items = "a1, ".repeat(200_000);
    assert_eq!(errors_of(&format!("packages: [{items}]\n")), "1:40012: a list has more than 10000 items\n");
    let lists = format!("[{}], ", "x, ".repeat(30)).repeat(8_000);
    let found = errors_of(&format!("{HEAD}packages: [{lists}]\n"));
    assert_eq!(found.lines().count(), 8_000);
    // Seconds would be minutes if any of this were quadratic.
    assert!(started.elapsed() < Duration::from_secs(20), "it took {:?}", started.elapsed());
}

#[test]
fn many_errors_are_cut_short() {
    let text = format!("{HEAD}packages: [{}]\n", "X, ".repeat(60));
    let folder = Folder::new(&[("recipe.yaml", &text)]);
    let problems = folder.load("recipe.yaml", &LoadOptions::default()).expect_err("it is wrong");
    assert!(problems.to_string().ends_with("\n\nand 10 more"), "{problems}");
    assert_eq!(problems.iter().count(), 60);
}
