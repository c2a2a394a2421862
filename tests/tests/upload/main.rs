//! `bootwright upload` to a real Keystone and Glance.

mod aws;
mod certificates;
mod opennebula;
mod openstack;
mod progress;
mod relay;
mod speed;
mod witnesses;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use integration_tests::program::bootwright;
use integration_tests::witness::witness;
use serde_json::Value;

use openstack::{DEMO_PASSWORD, OpenStack};

/// Takes Glance some seconds, so that a run can be stopped in the middle.
const LARGE: u64 = 200 << 20;
const SIZE_CAP: u64 = 240 << 20;
/// Of the whole project.
const QUOTA: u64 = 260 << 20;

fn image(cloud: &OpenStack, name: &str, size: u64) -> PathBuf {
    let path = cloud.folder().join(name);
    let mut file = File::create(&path).expect("a file");
    file.write_all(name.as_bytes()).and_then(|()| file.set_len(size)).expect("a sparse file");
    path
}

fn command(cloud: &OpenStack, arguments: &[&str]) -> Command {
    let mut command = Command::new(bootwright());
    command.arg("upload").args(arguments).env("OS_CLIENT_CONFIG_FILE", cloud.clouds());
    command.env_remove("OS_CLOUD").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn put(cloud: &OpenStack, image: &Path, more: &[&str]) -> Command {
    let image = image.to_str().expect("a plain path");
    command(cloud, &[&[image, "--to", "glance", "--property", "architecture=x86_64"], more].concat())
}

fn receipt(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(!said.contains(DEMO_PASSWORD), "{said}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn done(mut command: Command) -> Value {
    receipt(&command.output().expect("it runs"))
}

/// Starts an upload and waits until its data is on the way.
fn halfway(cloud: &OpenStack, image: &Path, more: &[&str]) -> Child {
    let child = put(cloud, image, more).spawn().expect("it runs");
    let began = Instant::now();
    while !cloud.images().iter().any(|image| image["status"] == "saving") {
        assert!(began.elapsed() < Duration::from_secs(60), "it never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn statuses(cloud: &OpenStack) -> Vec<String> {
    cloud.images().iter().map(|image| image["status"].as_str().unwrap_or("?").to_owned()).collect()
}

#[test]
fn images_reach_glance_once_and_whole() {
    let cloud = OpenStack::start("upload-glance", SIZE_CAP, QUOTA);
    an_image_is_what_others_see(&cloud);
    older_images_are_replaced(&cloud);
    a_killed_run_is_continued(&cloud);
    a_signal_leaves_nothing(&cloud);
    two_at_once_make_one(&cloud);
    refusals_are_told(&cloud);
    images_are_imported_into_stores(&cloud);
    a_token_may_end_while_the_data_is_sent(&cloud);
    certificates::decide(&cloud);
    progress::is_told(&cloud);
}

fn an_image_is_what_others_see(cloud: &OpenStack) {
    let small = image(cloud, "small.raw", 20 << 20);
    let wishes = ["--tag", "ci", "--property", "team=web", "--member", cloud.partner.as_str(), "--protected"];
    let wishes = [&wishes[..], &["--min-ram", "512"]].concat();
    let first = done(put(cloud, &small, &[&wishes[..], &["--cloud", "demo"]].concat()));
    // Who asks is no part of what is asked for: by the environment, by password and by token, it is the same image.
    let token = cloud.demo();
    for credential in [
        &[("OS_USERNAME", "demo"), ("OS_PASSWORD", DEMO_PASSWORD), ("OS_USER_DOMAIN_ID", "default")][..],
        &[("OS_AUTH_TYPE", "token"), ("OS_TOKEN", token.as_str())],
    ] {
        let mut again = put(cloud, &small, &wishes);
        again.env("OS_AUTH_URL", &cloud.identity).env("OS_REGION_NAME", "One");
        again.env("OS_PROJECT_NAME", "demo").env("OS_PROJECT_DOMAIN_ID", "default");
        again.envs(credential.iter().copied());
        let again = done(again);
        assert_eq!((&again["id"], &again["made"]), (&first["id"], &false.into()), "{credential:?}");
    }
    let id = first["id"].as_str().expect("an id");
    assert_eq!((&first["made"], cloud.members(id)), (&true.into(), vec![cloud.partner.clone()]));
    let openstack = |arguments: &[&str]| {
        let config = format!("OS_CLIENT_CONFIG_FILE={}", cloud.clouds().display());
        witness("env", &[&[&config, "openstack", "--os-cloud", "demo"], arguments].concat())
    };
    let shown: Value = serde_json::from_str(&openstack(&["image", "show", id, "-f", "json"])).expect("JSON");
    assert_eq!((&shown["status"], &shown["visibility"]), (&"active".into(), &"shared".into()));
    assert_eq!(
        (&shown["protected"], &shown["min_ram"], &shown["tags"][0]),
        (&true.into(), &512.into(), &"ci".into())
    );
    let properties = &shown["properties"];
    assert_eq!((&properties["team"], &properties["os_hidden"]), (&"web".into(), &false.into()));
    assert_eq!(
        (&properties["architecture"], &properties["hw_disk_bus"]),
        (&"x86_64".into(), &"virtio".into())
    );
    let sum = witness("sha512sum", &[small.to_str().expect("a plain path")]);
    assert_eq!(properties["os_hash_value"], sum.split(' ').next().expect("a sum"));
    let saved = cloud.folder().join("saved");
    openstack(&["image", "save", "--file", saved.to_str().expect("a plain path"), id]);
    assert!(fs::read(&saved).expect("read") == fs::read(&small).expect("read"), "the same bytes come back");
    clean(cloud, &small);
}

fn older_images_are_replaced(cloud: &OpenStack) {
    let (first, second) = (image(cloud, "first.raw", 4 << 20), image(cloud, "second.raw", 5 << 20));
    let third = cloud.folder().join("third.qcow2");
    let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
    witness("qemu-img", &["convert", "-O", "qcow2", &text(&first), &text(&third)]);
    let named = |image: &Path, replace| {
        done(put(cloud, image, &["--cloud", "demo", "--name", "web", "--replace", replace]))
    };
    let ids = [(&first, "keep"), (&second, "hide"), (&third, "delete")].map(|(image, replace)| {
        let receipt = named(image, replace);
        (receipt["id"].clone(), receipt["retired"].clone())
    });
    // What is hidden is out of sight, so it is not deleted either.
    assert_eq!(
        (&ids[1].1, &ids[2].1),
        (&Value::from(vec![ids[0].0.clone()]), &vec![ids[1].0.clone()].into())
    );
    let mut left: Vec<_> = cloud
        .images()
        .iter()
        .map(|image| (image["id"].clone(), image["os_hidden"] == true, image["disk_format"].clone()))
        .collect();
    left.sort_by_key(|(_, hidden, _)| *hidden);
    assert_eq!(left, [(ids[2].0.clone(), false, "qcow2".into()), (ids[0].0.clone(), true, "raw".into())]);
    for image in [&first, &second, &third] {
        done(command(cloud, &["clean", &text(image), "--all"]));
    }
    assert!(statuses(cloud).is_empty());
}

fn a_killed_run_is_continued(cloud: &OpenStack) {
    let large = image(cloud, "killed.raw", LARGE);
    let mut child = halfway(cloud, &large, &["--cloud", "ci"]);
    child.kill().and_then(|()| child.wait()).expect("killed");
    let receipt = done(put(cloud, &large, &["--cloud", "ci", "--resume"]));
    assert_eq!((statuses(cloud), &receipt["made"]), (vec!["active".to_owned()], &true.into()));
    clean(cloud, &large);
}

fn a_signal_leaves_nothing(cloud: &OpenStack) {
    let large = image(cloud, "stopped.raw", LARGE);
    let child = halfway(cloud, &large, &["--cloud", "demo"]);
    witness("kill", &["-INT", &child.id().to_string()]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was left behind"), "{output:?}");
    assert!(statuses(cloud).is_empty() && !journal(&large).exists());
}

fn two_at_once_make_one(cloud: &OpenStack) {
    let large = image(cloud, "twice.raw", LARGE / 4);
    let runs = [(); 2].map(|()| put(cloud, &large, &["--cloud", "demo"]).spawn().expect("it runs"));
    let ids = runs.map(|run| receipt(&run.wait_with_output().expect("it ends"))["id"].clone());
    assert_eq!((&ids[0], statuses(cloud)), (&ids[1], vec!["active".to_owned()]));
    clean(cloud, &large);
}

fn refusals_are_told(cloud: &OpenStack) {
    let small = image(cloud, "refused.raw", 1 << 20);
    let huge = image(cloud, "huge.raw", SIZE_CAP + (100 << 20));
    let large = image(cloud, "large.raw", LARGE);
    let held = image(cloud, "held.raw", QUOTA - LARGE + (4 << 20));
    done(put(cloud, &held, &["--cloud", "demo"]));
    let mut stranger = put(cloud, &small, &[]);
    stranger
        .env("OS_AUTH_URL", &cloud.identity)
        .env("OS_USERNAME", "demo")
        .env("OS_PASSWORD", "not-the-password");
    stranger.env("OS_PROJECT_NAME", "demo");
    for (mut command, expected) in [
        (put(cloud, &huge, &["--cloud", "demo"]), "answered 413"),
        (put(cloud, &large, &["--cloud", "demo"]), "exceeds the storage quota"),
        (put(cloud, &small, &["--cloud", "demo", "--visibility", "public"]), "answered 403"),
        (stranger, "answered 401"),
    ] {
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(expected) && !said.contains("not-the-password"), "{expected}: {said}");
        assert_eq!(statuses(cloud), ["active"], "{expected}");
    }
    clean(cloud, &held);
}

fn images_are_imported_into_stores(cloud: &OpenStack) {
    let small = image(cloud, "imported.raw", 8 << 20);
    for more in
        [&["--import"][..], &["--store", "more"], &["--all-stores"], &["--store", "files", "--store", "more"]]
    {
        let receipt = done(put(cloud, &small, &[&["--cloud", "demo"], more].concat()));
        let images = cloud.images();
        let stores = images[0]["stores"].as_str().unwrap_or_default().split(',').count();
        let expected = if more.contains(&"--all-stores") || more.len() > 2 { 2 } else { 1 };
        assert_eq!(
            (images.len(), stores, &receipt["id"]),
            (1, expected, &images[0]["id"]),
            "{more:?}: {images:?}"
        );
        clean(cloud, &small);
    }
    let output = put(cloud, &small, &["--cloud", "demo", "--store", "tape"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && said.contains("no store 'tape'; it has files, more"),
        "{said}"
    );
    assert!(statuses(cloud).is_empty());
}

/// Stops a run while it sends and has its token end: the service asks for it at the start only, and what comes after the
/// data needs a new one.
fn a_token_may_end_while_the_data_is_sent(cloud: &OpenStack) {
    let large = image(cloud, "token.raw", LARGE);
    let child = halfway(cloud, &large, &["--cloud", "demo"]);
    witness("kill", &["-STOP", &child.id().to_string()]);
    cloud.end_tokens();
    witness("kill", &["-CONT", &child.id().to_string()]);
    receipt(&child.wait_with_output().expect("it ends"));
    assert_eq!(statuses(cloud), ["active"]);
    clean(cloud, &large);
}

/// Removes the image's uploads; nothing else is in the project.
fn clean(cloud: &OpenStack, image: &Path) {
    done(command(cloud, &["clean", image.to_str().expect("a plain path"), "--all"]));
    assert!(statuses(cloud).is_empty() && !journal(image).exists());
}

fn journal(image: &Path) -> PathBuf {
    let mut name = image.file_name().expect("a name").to_owned();
    name.push(".upload.json");
    image.with_file_name(name)
}
