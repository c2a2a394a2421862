//! What an upload says of itself while it runs: how far it is, how fast, and how long it will still take.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::time::Instant;

use serde_json::Value;

use super::openstack::OpenStack;
use super::{command, done, image, put, relay, statuses};

const SIZE: u64 = 48 << 20;
/// Takes the image 6 s.
const SPEED: u64 = 8 << 20;
const STAGE: &str = "send the image";

/// Sends three images by a slow way at the same time, each of which says so in another form.
pub fn is_told(cloud: &OpenStack) {
    let way = format!("http://{}", relay::slow(&cloud.image, SPEED));
    cloud.also("slow", &[("image_endpoint_override", &way)]);
    let images = ["json", "plain", "bar"].map(|style| (style, image(cloud, &format!("{style}.raw"), SIZE)));
    let [json, plain, bar] = images.each_ref().map(|(style, image)| {
        let command = put(cloud, image, &["--cloud", "slow", "--progress", style]);
        let mut command = if *style == "bar" { on_a_terminal(&command) } else { command };
        let child = command.spawn().expect("it runs");
        std::thread::spawn(|| said(child))
    });
    let [json, plain, bar] = [json, plain, bar].map(|run| run.join().expect("it is read"));
    json_lines_are_right(&json);
    plain_lines_are_right(&plain);
    a_bar_is_right(&bar);
    for (_, image) in &images {
        done(command(cloud, &["clean", image.to_str().expect("a plain path"), "--all"]));
    }
    assert!(statuses(cloud).is_empty());
}

/// The same on a terminal of 80 columns; what it shows is on stdout.
fn on_a_terminal(command: &Command) -> Command {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().expect("plain")).collect();
    let line = format!("stty cols 80; exec '{}' 2>&1 >/dev/null", words.join("' '"));
    let mut outer = Command::new("script");
    outer.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    outer.stderr(std::process::Stdio::piped());
    outer
}

/// Returns what a run says, and when.
fn said(mut child: Child) -> Vec<(Instant, String)> {
    let mut stdout = child.stdout.take().expect("a pipe");
    let beside = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).expect("UTF-8");
        text
    });
    let stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut lines: Vec<(Instant, String)> =
        stderr.map(|line| (Instant::now(), line.expect("UTF-8"))).collect();
    let stdout = beside.join().expect("it is read");
    assert!(child.wait().expect("it ends").success(), "{lines:?} {stdout}");
    if lines.is_empty() {
        // A terminal's, which draws over itself.
        let drawn = stdout.split(['\r', '\n']).map(|line| (Instant::now(), line.to_owned()));
        lines.extend(drawn);
    }
    lines
}

fn json_lines_are_right(said: &[(Instant, String)]) {
    let events: Vec<(Instant, Value)> = said
        .iter()
        .map(|(when, line)| {
            (*when, serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        })
        .filter(|(_, event): &(_, Value)| event["stage"] == STAGE)
        .collect();
    let total = events.iter().find(|(_, event)| event["event"] == "total").expect("a total");
    assert_eq!((&total.1["total"], &total.1["unit"]), (&SIZE.into(), &"bytes".into()));
    let advanced: Vec<&(Instant, Value)> =
        events.iter().filter(|(_, event)| event["event"] == "advanced").collect();
    assert!((10..=200).contains(&advanced.len()), "{} lines", advanced.len());
    let number = |event: &Value, key: &str| event[key].as_f64().unwrap_or_else(|| panic!("{key} of {event}"));
    let (last, end) = (&advanced[advanced.len() - 1].1, advanced[advanced.len() - 1].0);
    assert_eq!(
        (&last["done"], &last["total"], number(last, "seconds_left")),
        (&SIZE.into(), &SIZE.into(), 0.0)
    );
    assert_eq!(advanced.iter().map(|(_, event)| number(event, "amount")).sum::<f64>(), SIZE as f64);
    let mut before = 0.0;
    for (when, event) in advanced {
        let done = number(event, "done");
        assert!(done >= before, "{event}");
        before = done;
        let part = done / SIZE as f64;
        if (0.25..0.9).contains(&part) {
            let rate = number(event, "per_second") / SPEED as f64;
            assert!((0.2..1.5).contains(&rate), "{event}");
            let (left, real) = (number(event, "seconds_left"), end.duration_since(*when).as_secs_f64());
            assert!((left - real).abs() < 2.0 + real, "{real} s were left: {event}");
        }
    }
}

fn plain_lines_are_right(said: &[(Instant, String)]) {
    let of_stage = said.iter().filter_map(|(_, line)| line.strip_prefix(STAGE)).map(str::trim_start);
    let lines: Vec<&str> = of_stage.collect();
    let [parts @ .., whole, end] = &lines[..] else { panic!("{said:?}") };
    assert!((1..=12).contains(&parts.len()), "{lines:?}");
    let mut before = 0;
    for part in parts {
        let (percent, rest) = part.split_once(" %  ").expect("hundredths");
        let percent: u64 = percent.parse().expect("a number");
        assert!(percent >= before + 5 && percent < 100, "{lines:?}");
        before = percent;
        assert!(
            rest.contains(" MiB of 48 MiB, ") && rest.contains(" MiB/s, ") && rest.ends_with(" s left"),
            "{part}"
        );
    }
    assert!(whole.starts_with("100 %  48 MiB of 48 MiB, ") && whole.ends_with(" MiB/s"), "{lines:?}");
    assert!(end.contains(" s  48 MiB, ") && end.ends_with(" MiB/s"), "{lines:?}");
}

fn a_bar_is_right(said: &[(Instant, String)]) {
    let drawn: Vec<&str> =
        said.iter().map(|(_, line)| line.as_str()).filter(|line| line.contains(STAGE)).collect();
    let moving = drawn.iter().filter(|line| line.contains(" MiB/s") && line.contains("s left")).count();
    assert!(moving > 5, "{drawn:#?}");
    assert!(drawn.iter().any(|line| line.contains("/48.00 MiB")), "{drawn:#?}");
    assert!(drawn.last().is_some_and(|line| line.contains("48 MiB, ")), "{drawn:#?}");
    // What is left standing fills its line; what moves is on one line, with some escapes.
    let width = |line: &str| line.chars().filter(|character| !character.is_control()).count();
    assert!(drawn.iter().filter(|line| line.contains(" % ")).all(|line| width(line) <= 84), "{drawn:#?}");
}
