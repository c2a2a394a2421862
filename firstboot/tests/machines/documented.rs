//! `docs/firstboot.md` names what the program reads.

use std::path::Path;

#[test]
fn every_key_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/firstboot.md");
    let page = std::fs::read_to_string(path).expect("the page");
    for key in contract::cloud_config::KEYS {
        assert!(page.contains(&format!("`{key}`")), "cloud-config key '{key}'");
    }
    let native = page.split("```yaml").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    for key in contract::native::KEYS {
        assert!(native.contains(&format!("\n{key}:")), "native key '{key}'");
    }
}
