//! `bootwright upload --to opennebula` to the stand-in of a front-end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use integration_tests::opennebula::{FrontEnd, SESSION};
use integration_tests::program::bootwright;
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;
use serde_json::Value;

struct Setting {
    front_end: FrontEnd,
    scratch: Scratch,
}

impl Setting {
    fn new() -> Self {
        let setting = Self { front_end: FrontEnd::start(), scratch: Scratch::new("upload-one") };
        fs::write(setting.scratch.path().join("one_auth"), format!("{SESSION}\n")).expect("written");
        setting.image(0);
        setting
    }

    fn path(&self) -> PathBuf {
        self.scratch.path().join("web.raw")
    }

    fn image(&self, kind: u8) -> Vec<u8> {
        let bytes: Vec<u8> = (0..5 << 20).map(|at: u32| (at >> 8) as u8 ^ (at as u8) ^ kind).collect();
        fs::write(self.path(), &bytes).expect("written");
        bytes
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(bootwright());
        command.arg("upload").args(arguments).env("ONE_XMLRPC", self.front_end.url());
        command.env("ONE_AUTH", self.scratch.path().join("one_auth"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn put(&self, more: &[&str]) -> Command {
        let image = self.path();
        let base = [image.to_str().expect("plain"), "--to", "opennebula"];
        self.command(&[&base[..], more].concat())
    }

    fn done(&self, more: &[&str]) -> Value {
        receipt(&self.put(more).output().expect("it runs"))
    }

    fn clean(&self) {
        receipt(
            &self
                .command(&["clean", self.path().to_str().expect("plain"), "--all"])
                .output()
                .expect("it runs"),
        );
        let state = self.front_end.state();
        assert!(state.images.is_empty() && state.templates.is_empty(), "{:?}", state.images.keys());
        assert!(!Path::new(&format!("{}.upload.json", self.path().display())).exists());
    }
}

fn receipt(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(!said.contains("password-of-the-test"), "{said}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn refusal(output: &Output) -> (Option<i32>, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !said.contains("password-of-the-test"), "{said}");
    (output.status.code(), said)
}

#[test]
fn an_image_is_fetched_from_here_once() {
    let setting = Setting::new();
    let more =
        ["--name", "web <1> & \"co\"", "--label", "ci", "--label", "web", "--public", "--vm-template", "web"];
    let first = setting.done(&more);
    let again = setting.done(&more);
    assert_eq!((&first["id"], &first["made"], &again["made"]), (&again["id"], &true.into(), &false.into()));
    let state = setting.front_end.state();
    let (number, image) = state.images.iter().next().expect("an image");
    assert_eq!(first["id"], number.to_string());
    assert_eq!((state.images.len(), image.name.as_str(), image.public), (1, "web <1> & \"co\"", true));
    assert!(image.data == fs::read(setting.path()).expect("read"));
    assert_eq!(
        (image.attributes["LABELS"].as_str(), image.attributes["PERSISTENT"].as_str()),
        ("ci,web", "NO")
    );
    assert_eq!(state.readings.last(), Some(&"whole"));
    assert_eq!(state.readings.iter().filter(|how| **how == "broken off").count(), 6);
    let template = &state.templates.values().next().expect("a template").1;
    assert!(
        template.contains(&format!("<IMAGE_ID>{number}</IMAGE_ID>"))
            && template.contains("<NETWORK>YES</NETWORK>")
    );
    // The server is over, and nobody else could have found the file. Its port may be another test's by now.
    let url = &image.attributes["PATH"];
    assert_eq!(url.split('/').nth(3).map(str::len), Some(64), "{url}");
    let asked =
        Command::new("curl").args(["-s", "--fail", "--max-time", "20", "-o", "/dev/null", url]).status();
    assert!(!asked.expect("curl runs").success());
    drop(state);
    setting.clean();
}

#[test]
fn a_path_of_the_front_end_will_do() {
    let setting = Setting::new();
    let there = PathBuf::from(format!("/var/tmp/bootwright-one-{}.raw", std::process::id()));
    fs::copy(setting.path(), &there).expect("copied");
    let outcome =
        setting.put(&["--front-end-path", there.to_str().expect("plain")]).output().expect("it runs");
    fs::remove_file(&there).expect("removed");
    receipt(&outcome);
    assert!(setting.front_end.state().readings.is_empty());
    let (exit, said) = refusal(
        &setting.put(&["--name", "other", "--front-end-path", "/srv/x.raw"]).output().expect("it runs"),
    );
    assert!(exit == Some(4) && said.contains("SAFE_DIRS"), "{said}");
}

#[test]
fn older_images_are_replaced() {
    let setting = Setting::new();
    let first = setting.done(&[]);
    setting.image(1);
    let (_, said) = refusal(&setting.put(&[]).output().expect("it runs"));
    assert!(said.contains("has it already") && said.contains("--replace"), "{said}");
    let second = setting.done(&["--replace", "hide"]);
    assert_eq!(second["retired"], serde_json::json!([first["id"]]));
    let number = |receipt: &Value| receipt["id"].as_str().expect("an id").parse::<i64>().expect("a number");
    {
        let state = setting.front_end.state();
        let (old, new) = (&state.images[&number(&first)], &state.images[&number(&second)]);
        assert_eq!((old.state, new.state, new.name.as_str()), (3, 1, "web"));
    }
    setting.image(2);
    let third = setting.done(&["--replace", "delete"]);
    let state = setting.front_end.state();
    let left: Vec<(i64, &str)> =
        state.images.iter().map(|(number, image)| (*number, image.name.as_str())).collect();
    assert_eq!(left, [(number(&third), "web")]);
}

#[test]
fn failures_are_told_and_leave_nothing() {
    let setting = Setting::new();
    setting.front_end.state().damage = true;
    let (exit, said) = refusal(&setting.put(&[]).output().expect("it runs"));
    assert!(exit == Some(4) && said.contains("Hash does not match"), "{said}");
    assert!(setting.front_end.state().images.is_empty(), "{said}");
    setting.front_end.state().damage = false;
    let (exit, said) = refusal(
        &setting
            .put(&["--listen", "127.0.0.1:0", "--advertise", "127.255.255.254"])
            .output()
            .expect("it runs"),
    );
    assert!(exit == Some(4) && said.contains("never asked"), "{said}");
    let (exit, said) = refusal(&setting.put(&["--datastore", "fast"]).output().expect("it runs"));
    assert!(exit == Some(2) && said.contains("default (1)"), "{said}");
    fs::write(setting.scratch.path().join("one_auth"), "oneadmin:wrong\n").expect("written");
    let (exit, said) = refusal(&setting.put(&[]).output().expect("it runs"));
    assert!(exit == Some(4) && said.contains("couldn't be authenticated"), "{said}");
    assert!(setting.front_end.state().images.is_empty());
}

#[test]
fn lost_answers_and_kills_are_survived() {
    let setting = Setting::new();
    setting.front_end.state().lost = vec!["one.image.allocate", "one.image.info", "one.imagepool.info"];
    let done = setting.done(&[]);
    assert_eq!(setting.front_end.state().images.len(), 1, "{done}");
    setting.clean();
    // Killed while it is fetched: the image stays locked, or fails.
    setting.front_end.state().slow = Duration::from_secs(1);
    let mut child = setting.put(&[]).spawn().expect("it runs");
    let began = Instant::now();
    while setting.front_end.state().images.is_empty() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().and_then(|()| child.wait()).expect("killed");
    setting.front_end.state().slow = Duration::ZERO;
    setting.done(&["--resume"]);
    assert_eq!(setting.front_end.state().images.len(), 1);
    setting.clean();
    // Interrupted.
    setting.front_end.state().slow = Duration::from_secs(20);
    let child = setting.put(&[]).spawn().expect("it runs");
    while setting.front_end.state().images.is_empty() && began.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(10));
    }
    witness("kill", &["-INT", &child.id().to_string()]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(setting.front_end.state().images.is_empty());
}
