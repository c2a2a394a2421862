use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("renderers write UTF-8")
    }
}

fn events() -> Vec<Event> {
    vec![
        Event::StageStarted { stage: "unpack" },
        Event::Total { stage: "unpack", total: 3, unit: Unit::Items },
        Event::Advanced { stage: "unpack", amount: 3 },
        Event::Warning { message: "mirror is slow".into() },
        Event::Note { message: "a detail".into() },
        Event::StageFinished {
            stage: "unpack",
            elapsed: Duration::from_millis(1234),
            summary: "3 packages".into(),
        },
    ]
}

#[test]
fn plain_keeps_one_line_per_stage_and_the_warnings() {
    let out = Shared::default();
    let plain = Plain::new(out.clone(), false);
    events().into_iter().for_each(|event| plain.event(event));
    assert_eq!(out.text(), "warning: mirror is slow\nunpack              1.23 s  3 packages\n");
}

#[test]
fn verbose_plain_adds_starts_and_notes() {
    let out = Shared::default();
    let plain = Plain::new(out.clone(), true);
    events().into_iter().for_each(|event| plain.event(event));
    assert!(out.text().starts_with("unpack…\n"), "{}", out.text());
    assert!(out.text().contains("note: a detail\n"), "{}", out.text());
}

#[test]
fn plain_tells_how_far_a_long_transfer_is() {
    let half_sent = || {
        let out = Shared::default();
        let plain = Plain::new(out.clone(), false);
        plain.event(Event::StageStarted { stage: "send" });
        plain.event(Event::Total { stage: "send", total: 8 << 20, unit: Unit::Bytes });
        let begun = Instant::now();
        for _ in 0..3 {
            plain.event(Event::Advanced { stage: "send", amount: 1 << 20 });
            std::thread::sleep(Duration::from_millis(1050));
        }
        plain.event(Event::Advanced { stage: "send", amount: 1 << 20 });
        // A pause that other work of the machine makes twice as long would end a line of its own.
        (begun.elapsed() < Duration::from_millis(3900)).then_some((plain, out))
    };
    let (plain, out) = (0..20).find_map(|_| half_sent()).expect("one of twenty is not held up");
    assert!(out.text().starts_with("send                  37 %  3.0 MiB of 8.0 MiB, "), "{}", out.text());
    assert!(out.text().contains(" MiB/s, ") && out.text().ends_with(" s left\n"), "{}", out.text());
    // The other half turns out to be there already.
    plain.event(Event::Total { stage: "send", total: 4 << 20, unit: Unit::Bytes });
    plain.event(Event::StageFinished {
        stage: "send",
        elapsed: Duration::from_secs(3),
        summary: "sent".into(),
    });
    let text = out.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].starts_with("send                 100 %  4.0 MiB of 4.0 MiB, "), "{text}");
    assert_eq!((lines.len(), lines[2]), (3, "send                3.00 s  sent"), "{text}");
}

#[test]
fn json_lines_tell_what_came_between_them() {
    let out = Shared::default();
    let json = JsonLines::new(out.clone());
    json.event(Event::StageStarted { stage: "send" });
    json.event(Event::Total { stage: "send", total: 4000, unit: Unit::Bytes });
    (0..1000).for_each(|_| json.event(Event::Advanced { stage: "send", amount: 2 }));
    std::thread::sleep(Duration::from_millis(250));
    (0..1000).for_each(|_| json.event(Event::Advanced { stage: "send", amount: 1 }));
    json.event(Event::Total { stage: "send", total: 3000, unit: Unit::Bytes });
    json.event(Event::StageFinished {
        stage: "send",
        elapsed: Duration::from_secs(1),
        summary: String::new(),
    });
    let text = out.text();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let advanced: Vec<&serde_json::Value> = lines.iter().filter(|line| line["event"] == "advanced").collect();
    // Three, and one more whenever the machine did something else for a while.
    assert!((2..50).contains(&advanced.len()), "{text}");
    assert_eq!(advanced.iter().filter_map(|line| line["amount"].as_u64()).sum::<u64>(), 3000);
    assert!(advanced[0]["per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{text}");
    let last = advanced[advanced.len() - 1];
    assert_eq!(
        (&last["done"], &last["total"], &last["seconds_left"]),
        (&3000.into(), &3000.into(), &0.0.into())
    );
}

#[test]
fn json_lines_parse_and_carry_the_format_version() {
    let out = Shared::default();
    let json = JsonLines::new(out.clone());
    events().into_iter().for_each(|event| json.event(event));
    let text = out.text();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(lines.len(), events().len());
    assert!(lines.iter().all(|line| line["v"] == 1));
    assert_eq!((&lines[4]["event"], &lines[4]["amount"]), (&"advanced".into(), &3.into()));
    assert_eq!(lines[5]["event"], "stage_finished");
    assert_eq!(lines[5]["seconds"], 1.234);
}

#[test]
fn the_ledger_remembers_stages_in_order() {
    let ledger = Ledger::new(Box::new(Silent));
    Stage::start(&ledger, "one").finish("");
    Stage::start(&ledger, "two").finish("");
    let names: Vec<_> = ledger.finished().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn quantities_read_well() {
    assert_eq!(format_duration(Duration::from_secs(125)), "2 min 05 s");
    assert_eq!(format_duration(Duration::from_secs(4025)), "1 h 07 min");
    assert_eq!(format_duration(Duration::from_millis(12_340)), "12.3 s");
    assert_eq!(format_bytes(512), "512 B");
    assert_eq!(format_bytes(1536), "1.5 KiB");
    assert_eq!(format_bytes(457_179_136), "436 MiB");
}
