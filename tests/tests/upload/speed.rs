//! How long an image takes to Glance, against `curl -T` of the same bytes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use integration_tests::witness::witness;
use serde_json::json;

use super::openstack::OpenStack;
use super::{put, receipt};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Runs a command under time(1); KiB of memory that it had at most are written to `file`.
fn measured(command: &Command, file: &Path) -> Command {
    let mut outer = Command::new("/usr/bin/time");
    outer.args(["-f", "%M", "-o"]).arg(file).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer.stdout(Stdio::piped()).stderr(Stdio::piped());
    outer
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[test]
#[ignore = "a measurement; scripts/bench/upload runs it"]
fn glance_is_filled_as_quickly_as_by_curl() {
    let (size, rounds) = (number("BOOTWRIGHT_BENCH_MIB", 1024), number("BOOTWRIGHT_BENCH_ROUNDS", 3));
    let bytes = size << 20;
    let cloud = OpenStack::start("upload-speed", bytes, 3 * bytes);
    let (image, memory) = (cloud.folder().join("full.raw"), cloud.folder().join("memory"));
    let text = image.to_str().expect("a plain path");
    witness("sh", &["-c", &format!("head -c {bytes} /dev/urandom >{text}")]);
    let sum = witness("sha256sum", &[text]);
    let sum = sum.split(' ').next().expect("a sum");
    let manifest = json!({ "images": [{ "file": "full.raw", "size": bytes, "sha256": sum }] });
    std::fs::write(cloud.folder().join("full.manifest.json"), manifest.to_string()).expect("written");
    let (mut ours, mut theirs, mut most) = (Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        let (file, header) = cloud.waiting_image();
        let began = Instant::now();
        let kind = "Content-Type: application/octet-stream";
        witness("curl", &["-sS", "--fail", "-T", text, "-H", &header, "-H", kind, "-o", "/dev/null", &file]);
        theirs.push(began.elapsed().as_secs_f64());
        cloud.delete(&file);
        let command = put(&cloud, &image, &["--cloud", "demo", "--name", &format!("round {round}")]);
        let mut command = measured(&command, &memory);
        let began = Instant::now();
        let output = command.output().expect("it runs");
        ours.push(began.elapsed().as_secs_f64());
        if round + 1 == rounds {
            println!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        let receipt = receipt(&output);
        assert_eq!((&receipt["sha256"], &receipt["bytes_sent"]), (&sum.into(), &bytes.into()));
        let used = std::fs::read_to_string(&memory).expect("read");
        most = most.max(used.trim().parse::<u64>().expect("a number") / 1024);
        cloud.delete(&format!("{}/v2/images/{}/file", cloud.image, receipt["id"].as_str().expect("an id")));
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let ratio = ours / theirs;
    println!(
        "{size} MiB into Glance: bootwright {ours:.2} s, {most} MiB of memory; curl -T {theirs:.2} s; {ratio:.2} times"
    );
    assert!(most < 200, "{most} MiB of memory");
}
