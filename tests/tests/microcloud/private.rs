//! A network of the test's own: a bridge, at which guests have taps and the test itself an address.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use integration_tests::program::{build, checkout, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

/// Says to a test process that it is inside its namespaces, and which image guests have.
const IMAGE: &str = "MICROCLOUD_IMAGE";
/// Where machines are. The process outside has it removed, also when the one inside is killed.
const FOLDER: &str = "MICROCLOUD_FOLDER";

/// Builds the image, and runs `case` in namespaces by starting this test again in them.
pub fn inside(name: &str, case: impl FnOnce(&Path)) {
    if let Some(image) = std::env::var_os(IMAGE) {
        witness("ip", &["link", "set", "lo", "up"]);
        witness("ip", &["link", "add", "bridge0", "type", "bridge"]);
        witness("ip", &["link", "set", "bridge0", "up"]);
        witness("ip", &["address", "add", "10.99.0.254/24", "dev", "bridge0"]);
        return case(Path::new(&image));
    }
    let output = shared_cache().with_file_name("test-images");
    build(&checkout().join("tests/tests/microcloud/recipe.yaml"), &output, &[]).expect("the image builds");
    let scratch = Scratch::new("microcloud");
    let own = std::env::current_exe().expect("this test");
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(own)
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(IMAGE, output.join("microcloud-guests.qcow2"))
        .env(FOLDER, scratch.path())
        .status()
        .expect("unshare runs");
    assert!(status.success(), "{name} failed inside its namespaces");
}

/// Makes the tap of a guest.
pub fn make_tap(number: u8) -> String {
    let tap = format!("tap{number}");
    witness("ip", &["tuntap", "add", "dev", &tap, "mode", "tap"]);
    witness("ip", &["link", "set", &tap, "master", "bridge0", "up"]);
    tap
}

/// Asks for a page as any client does that was told to trust the balancer; none if nobody answers.
pub fn request(address: &str) -> Option<String> {
    let output = Command::new("curl")
        .args(["--silent", "--fail", "--insecure", "--max-time", "60", address])
        .output()
        .expect("curl runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Tells whether this machine, a stranger to the cluster, reaches a port of a guest.
pub fn is_open(guest: u8, port: u16) -> bool {
    let address = SocketAddr::from(([10, 99, 0, guest], port));
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok()
}

/// Makes the folder of a guest.
pub fn make_folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("inside the namespaces")).join(name);
    std::fs::create_dir(&folder).expect("a folder");
    folder
}
