//! `bootwright upload --to aws` to the stand-in of AWS.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use integration_tests::aws::{ACCESS_KEY, BLOCK, SECRET_KEY, StandIn, Trouble};
use integration_tests::program::bootwright;
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;
use serde_json::Value;
use sha2::{Digest, Sha256};

const HOME: &str = "eu-west-1";
const AWAY: &str = "us-east-2";

/// A disk of `blocks` blocks without a table, each block other than every other; `holes` are left out.
fn image(folder: &Path, blocks: u64, holes: &[u64]) -> PathBuf {
    let path = folder.join("web.raw");
    let file = File::create(&path).expect("a file");
    for block in (0..blocks).filter(|block| !holes.contains(block)) {
        let mut bytes = vec![0; BLOCK];
        for (at, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&(block * 1_000_003 + at as u64 + 1).to_le_bytes());
        }
        file.write_all_at(&bytes, block * BLOCK as u64).expect("written");
    }
    file.set_len(blocks * BLOCK as u64).expect("its length");
    path
}

fn command(service: &StandIn, arguments: &[&str]) -> Command {
    let mut command = Command::new(bootwright());
    command.arg("upload").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in environment(service) {
        command.env(name, value);
    }
    command
}

fn environment(service: &StandIn) -> [(&'static str, String); 6] {
    [
        ("AWS_ENDPOINT_URL", service.url()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("AWS_REGION", HOME.to_owned()),
        // Nothing of who runs the test.
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
    ]
}

fn put(service: &StandIn, image: &Path, more: &[&str]) -> Command {
    let image = image.to_str().expect("a plain path");
    command(service, &[&[image, "--to", "aws", "--architecture", "x86_64"], more].concat())
}

fn run(mut command: Command) -> Output {
    command.output().expect("it runs")
}

fn receipt(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(!said.contains(SECRET_KEY), "{said}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn refusal(output: &Output) -> (Option<i32>, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !said.contains(SECRET_KEY), "{said}");
    (output.status.code(), said)
}

/// Names of what lies in the folder beside the image.
fn beside(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("listed").map(|entry| entry.expect("listed").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "web.raw");
    names.sort();
    names
}

/// Demands that a snapshot has every block of the disk but `left_out`, with its very bytes.
fn assert_blocks(service: &StandIn, image: &Path, left_out: &[u32]) {
    let state = service.state();
    let snapshot = state.snapshots.values().next().expect("a snapshot");
    let (mut file, mut count) = (File::open(image).expect("opened"), 0);
    let mut bytes = vec![0; BLOCK];
    for index in 0.. {
        if file.read_exact(&mut bytes).is_err() {
            break;
        }
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let expected = (!left_out.contains(&index)).then_some(&digest);
        assert_eq!(snapshot.blocks.get(&index), expected, "block {index}");
        count += usize::from(expected.is_some());
    }
    assert_eq!(snapshot.blocks.len(), count);
}

#[test]
fn an_image_is_made_once() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let image = image(scratch.path(), 40, &[7]);
    let more = ["--name", "web 1", "--ami-tag", "team=web", "--boot-mode", "uefi", "--tpm"];
    let first = receipt(&run(put(&service, &image, &more)));
    let again = receipt(&run(put(&service, &image, &more)));
    assert_eq!((&first["id"], &again["id"]), (&again["id"], &first["id"]));
    assert_eq!(
        (&first["made"], &again["made"], &again["bytes_sent"]),
        (&true.into(), &false.into(), &0.into())
    );
    // A zero block of a disk without a table may mean something: it is sent.
    assert_blocks(&service, &image, &[]);
    let state = service.state();
    assert_eq!((state.snapshots.len(), state.images.len()), (1, 1));
    let (id, ami) = state.images.iter().next().expect("an image");
    assert_eq!((first["id"].as_str(), ami.name.as_str()), (Some(id.as_str()), "web 1"));
    let field = |name: &str| ami.fields[name].as_str();
    assert_eq!((field("BootMode"), field("TpmSupport"), field("ImdsSupport")), ("uefi", "v2.0", "v2.0"));
    assert_eq!((field("EnaSupport"), field("Architecture")), ("true", "x86_64"));
    assert_eq!(field("BlockDeviceMapping.1.Ebs.VolumeType"), "gp3");
    let snapshot = &state.snapshots[&ami.snapshot];
    for tags in [&ami.tags, &snapshot.tags] {
        assert_eq!((tags["team"].as_str(), tags["Name"].as_str()), ("web", "web 1"));
        assert_eq!(tags["bootwright_plan"], first["plan"].as_str().expect("a plan"));
    }
    drop(state);
    // Also without the journal, from another machine.
    fs::remove_file(image.with_file_name("web.raw.upload.json")).expect("removed");
    assert_eq!(receipt(&run(put(&service, &image, &more)))["id"], first["id"]);
    receipt(&run(command(&service, &["clean", image.to_str().expect("plain"), "--all"])));
    let state = service.state();
    assert!(state.images.is_empty() && state.snapshots.is_empty());
    assert!(beside(scratch.path()).is_empty(), "{:?}", beside(scratch.path()));
}

#[test]
fn qcow2_is_read_as_a_disk() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let raw = image(scratch.path(), 9, &[3]);
    let qcow2 = scratch.path().join("web.qcow2");
    let names = [raw.to_str().expect("plain"), qcow2.to_str().expect("plain")];
    witness("qemu-img", &["convert", "-c", "-O", "qcow2", names[0], names[1]]);
    receipt(&run(put(&service, &qcow2, &[])));
    assert_blocks(&service, &raw, &[]);
}

#[test]
fn what_no_file_and_no_partition_uses_stays_here() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let path = scratch.path().join("web.raw");
    let root = scratch.path().join("root");
    fs::create_dir(&root).expect("a folder");
    fs::write(root.join("data"), vec![7; 20 << 20]).expect("written");
    File::create(&path).and_then(|file| file.set_len(2 << 30)).expect("a sparse file");
    let text = path.to_str().expect("plain");
    witness(
        "sh",
        &["-c", &format!("printf 'label: gpt\\nstart=2048,size=3145728,type=linux\\n' | sfdisk -q {text}")],
    );
    let options = [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-E",
        "offset=1048576",
        "-d",
        root.to_str().expect("plain"),
        text,
        "1536M",
    ];
    witness("mke2fs", &options);
    let receipt = receipt(&run(put(&service, &path, &[])));
    let sent = receipt["bytes_sent"].as_u64().expect("a number");
    assert!((20 << 20..150 << 20).contains(&sent), "{sent}");
    // What the disk reads as after the zeroes that are missing were replaced by rubbish is still a clean filesystem.
    let mut rubbish = vec![0xa5; BLOCK];
    {
        let state = service.state();
        let blocks = &state.snapshots.values().next().expect("a snapshot").blocks;
        let file = File::options().write(true).open(&path).expect("opened");
        for index in (0..4096).filter(|index| !blocks.contains_key(index)) {
            rubbish[0] = u8::wrapping_add(rubbish[0], 1);
            file.write_all_at(&rubbish, u64::from(index) * BLOCK as u64).expect("written");
        }
    }
    let partition = scratch.path().join("partition");
    let part = partition.to_str().expect("plain");
    witness(
        "dd",
        &[&format!("if={text}"), &format!("of={part}"), "bs=1M", "skip=1", "count=1536", "status=none"],
    );
    witness("e2fsck", &["-f", "-n", part]);
    witness("sfdisk", &["--verify", text]);
    let copy = scratch.path().join("copy");
    witness("debugfs", &["-R", &format!("dump /data {}", copy.display()), part]);
    assert!(fs::read(copy).expect("read") == vec![7; 20 << 20]);
    // And all of it goes if that is asked.
    let other = StandIn::start();
    let all = self::receipt(&run(put(&other, &path, &["--send-free"])));
    assert_eq!(all["bytes_sent"].as_u64(), Some(2 << 30));
}

#[test]
fn troubles_of_the_way_pass() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let image = image(scratch.path(), 100, &[]);
    service.state().trouble = Trouble {
        every: 7,
        forgetful: Duration::from_millis(700),
        slow: Duration::from_millis(800),
        latency: Duration::from_millis(3),
        most_per_second: Some(60),
        refusals: vec![
            ("StartSnapshot", 500, "InternalServerException"),
            ("CompleteSnapshot", 503, "ServiceUnavailable"),
            ("RegisterImage", 503, "RequestLimitExceeded"),
            ("DescribeImages", 500, "InternalError"),
        ],
        ..Trouble::default()
    };
    let receipt = receipt(&run(put(&service, &image, &[])));
    assert_blocks(&service, &image, &[]);
    assert!(receipt["retries"].as_u64() > Some(10), "{receipt}");
    assert!(service.count("PutSnapshotBlock RequestThrottledException") > 0);
    assert_eq!(service.counts(), (1, 1));
}

#[test]
fn refusals_end_at_once_and_leave_nothing() {
    let scratch = Scratch::new("upload-aws");
    let image = image(scratch.path(), 20, &[]);
    for (action, status, code, expected) in [
        ("StartSnapshot", 403, "AccessDeniedException", "lack a permission"),
        ("StartSnapshot", 402, "ServiceQuotaExceededException", "quota"),
        ("PutSnapshotBlock", 403, "AccessDeniedException", "lack a permission"),
        ("CompleteSnapshot", 403, "AccessDeniedException", "lack a permission"),
        ("RegisterImage", 403, "UnauthorizedOperation", "lack a permission"),
        ("DescribeImages", 401, "AuthFailure", "check the credentials"),
    ] {
        let service = StandIn::start();
        service.state().trouble.refusals.push((action, status, code));
        let (exit, said) = refusal(&run(put(&service, &image, &[])));
        assert!(said.contains(code) && said.contains(expected), "{action}: {said}");
        assert_eq!(exit, Some(4), "{said}");
        let state = service.state();
        assert!(state.snapshots.is_empty() && state.images.is_empty(), "{action}: {said}");
        assert!(beside(scratch.path()).is_empty(), "{action}: {:?}", beside(scratch.path()));
    }
}

#[test]
fn waiting_ends_when_it_fails() {
    for action in ["CompleteSnapshot", "RegisterImage"] {
        let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
        let image = image(scratch.path(), 10, &[]);
        let (snapshot_fails, image_fails) = (action == "CompleteSnapshot", action == "RegisterImage");
        service.state().trouble = Trouble { snapshot_fails, image_fails, ..Trouble::default() };
        let (exit, said) = refusal(&run(put(&service, &image, &[])));
        assert!(
            exit == Some(4) && said.contains(if snapshot_fails { "as the test says" } else { "failed" }),
            "{said}"
        );
        assert_eq!(service.counts(), (0, 0), "{said}");
    }
}

#[test]
fn a_name_is_taken_once_and_older_images_are_replaced() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let path = image(scratch.path(), 4, &[]);
    let first = receipt(&run(put(&service, &path, &[])));
    image(scratch.path(), 5, &[]);
    let (_, said) = refusal(&run(put(&service, &path, &[])));
    assert!(said.contains("has it already") && said.contains("--replace"), "{said}");
    assert_eq!(service.state().snapshots.len(), 1);
    let second = receipt(&run(put(&service, &path, &["--replace", "hide"])));
    assert_eq!(second["retired"], serde_json::json!([first["id"]]));
    assert!(service.state().images[first["id"].as_str().expect("an id")].disabled);
    image(scratch.path(), 6, &[]);
    let third = receipt(&run(put(&service, &path, &["--replace", "delete"])));
    let state = service.state();
    assert_eq!(state.images.keys().collect::<Vec<_>>(), [third["id"].as_str().expect("an id")]);
    assert_eq!(state.snapshots.len(), 1);
}

#[test]
fn copies_are_shared_and_deprecated_and_cleaned() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let image = image(scratch.path(), 4, &[]);
    let more = [
        "--copy-to",
        AWAY,
        "--share",
        "210987654321",
        "--share",
        "all",
        "--deprecate-at",
        "2031-01-31T00:00:00Z",
    ];
    let first = receipt(&run(put(&service, &image, &more)));
    let again = receipt(&run(put(&service, &image, &more)));
    assert_eq!(first["details"], again["details"]);
    {
        let state = service.state();
        let regions: Vec<&str> = state.images.values().map(|image| image.region.as_str()).collect();
        assert_eq!((regions.len(), state.snapshots.len()), (2, 2));
        assert!(regions.contains(&HOME) && regions.contains(&AWAY));
        for image in state.images.values() {
            assert!(
                image.shared.contains(&"210987654321".to_owned()) && image.shared.contains(&"all".to_owned())
            );
            assert!(image.deprecated.as_ref().is_some_and(|time| time.starts_with("2031-01-31")));
        }
        let there = first["details"]["copies"][AWAY].as_str().expect("an id");
        assert_eq!(state.images[there].region, AWAY);
    }
    receipt(&run(command(&service, &["clean", image.to_str().expect("plain"), "--all"])));
    assert_eq!(service.counts(), (0, 0));
}

#[test]
fn a_key_encrypts() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let image = image(scratch.path(), 4, &[]);
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1";
    receipt(&run(put(&service, &image, &["--kms-key", key])));
    let state = service.state();
    let snapshot = state.snapshots.values().next().expect("a snapshot");
    assert_eq!((snapshot.encrypted, snapshot.kms_key.as_deref()), (true, Some(key)));
}

#[test]
fn a_dry_run_asks_nobody() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let image = image(scratch.path(), 4, &[]);
    let plan = receipt(&run(put(&service, &image, &["--dry-run", "--copy-to", AWAY])));
    let text = plan.to_string();
    for call in ["/snapshots/completion/", "RegisterImage", "CopyImage", "\"gp3\"", "LINEAR"] {
        assert!(text.contains(call), "{call}: {text}");
    }
    assert!(service.state().log.is_empty() && beside(scratch.path()).is_empty());
    let done = receipt(&run(put(&service, &image, &["--copy-to", AWAY])));
    assert_eq!(done["plan"], plan["plan"]);
    let (exit, said) = refusal(&run(put(&service, &image, &["--tpm"])));
    assert!(exit == Some(2) && said.contains("--boot-mode uefi"), "{said}");
}

/// Kills up to `times` runs, each at some moment between its first call and its last, and has another go on: no block
/// is sent twice but those that were on their way. Returns how many were killed before they ended.
fn kill_and_go_on(seed: u64, times: u64) -> u64 {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let blocks = 200;
    let image = image(scratch.path(), blocks, &[]);
    service.state().trouble.latency = Duration::from_millis(8);
    let mut random = seed;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let mut kills = 0;
    for _ in 0..times {
        let (calls, there) = service.progress();
        // Beside the blocks: three calls before them, some eight behind them.
        let until = calls + next() % (blocks - there + 11);
        let (mut child, began) = (put(&service, &image, &[]).spawn().expect("it runs"), Instant::now());
        while service.progress().0 < until && child.try_wait().expect("asked").is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "seed {seed}: it stands still");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(next() % 10));
        kills += u64::from(child.try_wait().expect("asked").is_none());
        child.kill().and_then(|()| child.wait()).expect("killed");
    }
    receipt(&run(put(&service, &image, &[])));
    assert_blocks(&service, &image, &[]);
    assert_eq!(service.counts(), (1, 1), "seed {seed}");
    {
        let state = service.state();
        let twice = state.snapshots.values().next().expect("a snapshot").puts - blocks;
        // One block at a time is on its way on each connection.
        let flying = kills * state.most_connections as u64;
        assert!(
            twice <= flying,
            "seed {seed}: {twice} blocks twice after {kills} kills, at most {flying} flew"
        );
        eprintln!("seed {seed}: {kills} kills, {twice} of {blocks} blocks twice, at most {flying} flew");
    }
    receipt(&run(command(&service, &["clean", image.to_str().expect("plain"), "--all"])));
    assert_eq!(service.counts(), (0, 0), "seed {seed}");
    assert!(beside(scratch.path()).is_empty(), "seed {seed}: {:?}", beside(scratch.path()));
    kills
}

#[test]
fn a_killed_run_is_gone_on_with() {
    kill_and_go_on(1, 3);
}

#[test]
#[ignore = "takes minutes; scripts/soak runs it"]
fn fifty_killed_runs_are_gone_on_with() {
    let seed = std::env::var("BOOTWRIGHT_UPLOAD_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let (mut kills, mut uploads) = (0, 0);
    while kills < 50 {
        kills += kill_and_go_on(seed + uploads, 3);
        uploads += 1;
        assert!(uploads < 50, "{kills} kills of {uploads} uploads: runs end before they are killed");
    }
    eprintln!("seed {seed}: {kills} kills of {uploads} uploads");
}

#[test]
fn a_signal_leaves_nothing() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let image = image(scratch.path(), 100, &[]);
    // So much that it is still on its way when the signal comes, on a machine that takes its time for that.
    service.state().trouble.latency = Duration::from_millis(300);
    let child = put(&service, &image, &[]).spawn().expect("it runs");
    let began = Instant::now();
    while service.count("PutSnapshotBlock") < 5 && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    witness("kill", &["-INT", &child.id().to_string()]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(service.state().snapshots.is_empty() && beside(scratch.path()).is_empty());
}

#[test]
fn two_at_once_make_one() {
    let (service, scratch) = (StandIn::start(), Scratch::new("upload-aws"));
    let image = image(scratch.path(), 60, &[]);
    service.state().trouble.latency = Duration::from_millis(10);
    let runs = [(); 2].map(|()| put(&service, &image, &[]).spawn().expect("it runs"));
    let ids = runs.map(|run| receipt(&run.wait_with_output().expect("it ends"))["id"].clone());
    assert_eq!(ids[0], ids[1]);
    assert_eq!(service.counts(), (1, 1));
}
