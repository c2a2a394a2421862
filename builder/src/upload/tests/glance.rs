use std::sync::Arc;
use std::time::Duration;

use super::stand_in::{Fault, StandIn};
use super::{Folder, facts, settings};
use crate::progress::Silent;
use crate::upload::glance::cloud::{Cloud, Credential, Domain, Named};
use crate::upload::glance::{Glance, Replace, Settings, Visibility};
use crate::upload::{
    Http, HttpOptions, Interrupt, Job, Kind, Limits, Patience, Receipt, Secret, State, Target, Trust,
    UploadError, UploadPlan, clean, upload,
};

/// Larger than what connections keep on their way, so that an early answer meets a client that is still sending.
const LARGE: usize = 16 << 20;

fn cloud(service: &StandIn) -> Cloud {
    let named = |name: &str| Named::Name { name: name.to_owned(), domain: Domain::Id("default".to_owned()) };
    Cloud {
        name: Some("demo".to_owned()),
        identity: format!("http://{}", service.address),
        credential: Credential::Password { user: named("demo"), password: Secret::new("secret") },
        scope: Some(named("demo")),
        region: Some("One".to_owned()),
        interface: "public".to_owned(),
        image: None,
        trust: Trust::default(),
    }
}

fn limits() -> Limits {
    let milliseconds = Duration::from_millis;
    Limits {
        base: milliseconds(1),
        cap: milliseconds(5),
        budget: milliseconds(200),
        poll: milliseconds(10),
        stale: milliseconds(400),
        orphan: milliseconds(50),
    }
}

fn target(service: &StandIn, settings: Settings, patience: Arc<Patience>) -> Glance {
    let options = HttpOptions {
        idle: Duration::from_millis(1000),
        answer: Duration::from_millis(1500),
        ..HttpOptions::default()
    };
    let http = Http::new(options, &Trust::default(), patience).unwrap();
    Glance::new(http, cloud(service), facts(), settings)
}

struct Run {
    settings: Settings,
    resume: bool,
    interrupt: Interrupt,
    /// How long somebody else is waited for.
    stale: Duration,
}

impl Default for Run {
    fn default() -> Self {
        Self { settings: settings(), resume: false, interrupt: Interrupt::default(), stale: limits().stale }
    }
}

impl Run {
    fn upload(self, service: &StandIn, folder: &Folder) -> Result<Receipt, UploadError> {
        let (journal, image) = folder.open();
        let patience = Arc::new(Patience::new(Limits { stale: self.stale, ..limits() }, self.interrupt));
        let mut target = target(service, self.settings, patience.clone());
        let plan = UploadPlan::new(&target, &image, "web");
        let (plan, image, journal) = (&plan, &image, &journal);
        let job = Job {
            plan,
            image,
            journal,
            cloud: Some("demo"),
            resume: self.resume,
            patience,
            reporter: &Silent,
        };
        upload(&mut target, &job)
    }
}

fn put(service: &StandIn, folder: &Folder) -> Result<Receipt, UploadError> {
    Run::default().upload(service, folder)
}

#[test]
fn an_upload_is_verified_published_and_made_once() {
    let (service, folder) = (StandIn::start(), Folder::with(&vec![7; 3 << 20]));
    let first = put(&service, &folder).unwrap();
    assert!(first.made && first.object.published && first.bytes_sent == 3 << 20);
    let second = put(&service, &folder).unwrap();
    assert_eq!((second.made, second.bytes_sent, &second.object), (false, 0, &first.object));
    // Also without the journal, from another machine.
    std::fs::remove_file(folder.open().0.path()).unwrap();
    assert_eq!(put(&service, &folder).unwrap().object, first.object);
    assert_eq!((service.count("POST /v2/images 201"), service.count("PUT")), (1, 1));
    let state = service.state();
    let image = &state.images[&first.object.id];
    assert_eq!(
        (&image["name"], &image["architecture"], &image["min_disk"]),
        (&"web".into(), &"x86_64".into(), &1.into())
    );
    assert_eq!(state.data[&first.object.id], vec![7; 3 << 20]);
}

#[test]
fn nothing_is_asked_twice() {
    let (service, folder) = (StandIn::start(), Folder::with(b"image"));
    let id = put(&service, &folder).unwrap().object.id;
    let image = format!("/v2/images/{id}");
    let asked = [
        "POST /v3/auth/tokens 201".to_owned(),
        "POST /v2/images 201".to_owned(),
        format!("PUT {image}/file 204"),
        format!("GET {image} 200"),
        format!("PATCH {image} 200"),
    ];
    assert_eq!(service.state().log, asked);
}

#[test]
fn a_change_that_is_answered_without_words_is_looked_at() {
    let (service, folder) = (StandIn::start(), Folder::with(b"image"));
    service.fail("PATCH", Fault::Silence);
    let receipt = put(&service, &folder).unwrap();
    assert!(receipt.object.published);
    assert_eq!(service.count(&format!("GET /v2/images/{} 200", receipt.object.id)), 2);
}

#[test]
fn a_refused_creation_does_not_matter_where_the_image_is_there() {
    let (service, folder) = (StandIn::start(), Folder::with(b"image"));
    let first = put(&service, &folder).unwrap();
    for (status, then) in [(403, 429), (413, 401)] {
        std::fs::remove_file(folder.open().0.path()).unwrap();
        service.fail("POST /v2/images", Fault::Status(status));
        service.fail("GET /v2/images?", Fault::Status(then));
        let again = put(&service, &folder).unwrap();
        assert_eq!((again.made, &again.object), (false, &first.object), "{status}");
        let journal = folder.open().0.entries().unwrap();
        assert!(journal.iter().all(|entry| entry.id == first.object.id && entry.state == State::Done));
    }
    // One of another project that bears the same id and hash is not ours.
    std::fs::remove_file(folder.open().0.path()).unwrap();
    service.state().images.get_mut(&first.object.id).unwrap()["owner"] = "project-2".into();
    let own = put(&service, &folder).unwrap();
    assert!(own.made && own.object.id != first.object.id);
}

#[test]
fn passing_failures_are_waited_for() {
    for (request, fault) in [
        ("POST /v3/auth/tokens", Fault::Status(503)),
        ("GET /v2/images/", Fault::Status(429)),
        ("POST /v2/images", Fault::Status(500)),
        ("POST /v2/images", Fault::Stall(Duration::from_millis(1500))),
        ("PUT", Fault::Break(100_000)),
        ("PUT", Fault::Status(502)),
        ("PUT", Fault::Stall(Duration::from_millis(2500))),
        ("PUT", Fault::LoseAnswer),
        ("PATCH", Fault::Status(504)),
    ] {
        let (service, folder) = (StandIn::start(), Folder::with(&vec![1; LARGE]));
        service.fail(request, fault.clone());
        let receipt = put(&service, &folder).unwrap_or_else(|error| panic!("{request} {fault:?}: {error}"));
        assert!(receipt.object.published, "{request} {fault:?}");
        assert!(receipt.retries >= 1, "{request} {fault:?}");
        assert_eq!(service.state().images.len(), 1, "{request} {fault:?}");
    }
}

#[test]
fn refusals_end_at_once_and_leave_nothing() {
    for (request, fault, kind) in [
        ("POST /v3/auth/tokens", Fault::Status(401), Kind::Unauthorized),
        ("POST /v2/images", Fault::Status(403), Kind::Refused),
        ("POST /v2/images", Fault::Status(413), Kind::Refused),
        ("PUT", Fault::Early(2_900_000, 413), Kind::Refused),
        ("PUT", Fault::Early(0, 415), Kind::Refused),
        ("PUT", Fault::Damage, Kind::Mismatch),
    ] {
        let (service, folder) = (StandIn::start(), Folder::with(&vec![1; LARGE]));
        service.fail(request, fault.clone());
        let error = put(&service, &folder).unwrap_err();
        assert_eq!(error.kind, kind, "{request} {fault:?}: {error}");
        assert!(service.state().images.is_empty(), "{request} {fault:?}");
        assert!(service.count("PUT") <= 1, "{request} {fault:?}");
        assert!(!error.to_string().contains("secret") && !error.to_string().contains("token-"), "{error}");
    }
}

#[test]
fn a_service_that_stays_away_ends_it_within_the_budget() {
    let (service, folder) = (StandIn::start(), Folder::with(b"image"));
    for _ in 0..1000 {
        service.fail("PUT", Fault::Status(503));
    }
    let error = put(&service, &folder).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("tried"), "{error}");
    assert!(service.state().images.is_empty());
    assert!(!folder.open().0.path().exists());
}

#[test]
fn a_token_that_ends_is_renewed() {
    for request in ["GET /v2/images/", "POST /v2/images", "PUT", "PATCH"] {
        let (service, folder) = (StandIn::start(), Folder::with(&vec![1; LARGE]));
        service.fail(request, Fault::Status(401));
        assert!(put(&service, &folder).unwrap().object.published, "{request}");
        assert_eq!(service.count("POST /v3/auth/tokens 201"), 2, "{request}");
    }
    // It ends in the middle of the data, and the service says so and hangs up.
    let (service, folder) = (StandIn::start(), Folder::with(&vec![1; LARGE]));
    service.fail("PUT", Fault::Early(1_000_000, 401));
    assert!(put(&service, &folder).unwrap().object.published);
}

#[test]
fn what_a_killed_run_left_is_continued() {
    let (service, folder) = (StandIn::start(), Folder::with(&vec![3; 2 << 20]));
    let (journal, image) = folder.open();
    let patience = Arc::new(Patience::new(limits(), Interrupt::default()));
    let mut glance = target(&service, settings(), patience);
    let plan = UploadPlan::new(&glance, &image, "web");
    let id = plan.id(1);
    // Killed after creating; the service gave up what had come.
    journal.begin(&plan, Some("demo"), image.stamp, &id).unwrap();
    glance.create(&plan, &id).unwrap();
    let receipt = put(&service, &folder).unwrap();
    assert_eq!((receipt.object.id, service.count("POST /v2/images 201")), (id.clone(), 1));
    // Killed between data and publishing.
    service.state().images.get_mut(&id).unwrap()["os_hidden"] = true.into();
    let receipt = put(&service, &folder).unwrap();
    assert!(receipt.object.published && receipt.bytes_sent == 0 && service.count("PUT") == 1);
    // The service itself was killed and waits for ever.
    let saving = |service: &StandIn| {
        let mut state = service.state();
        let image = state.images.get_mut(&id).unwrap();
        (image["status"], image["os_hidden"]) = ("saving".into(), true.into());
    };
    saving(&service);
    let error = put(&service, &folder).unwrap_err();
    assert!(error.to_string().contains("--resume"), "{error}");
    assert!(service.state().images.contains_key(&id), "it may be somebody else's work");
    let receipt = Run { resume: true, ..Run::default() }.upload(&service, &folder).unwrap();
    assert_eq!((receipt.object.id, service.state().images.len()), (plan.id(2), 1));
}

#[test]
fn an_id_that_was_deleted_is_not_used_again() {
    let (service, folder) = (StandIn::start(), Folder::with(b"image"));
    let first = put(&service, &folder).unwrap();
    service.state().images.clear();
    let second = put(&service, &folder).unwrap();
    assert!(second.made && second.object.id != first.object.id);
}

#[test]
fn two_uploads_at_once_make_one_image() {
    let (service, folder) = (StandIn::start(), Folder::with(&vec![5; LARGE]));
    let patient = || {
        let run = Run { stale: Duration::from_secs(60), ..Run::default() };
        run.upload(&service, &folder).unwrap().object.id
    };
    let ids: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(patient)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(service.count("POST /v2/images 201"), 1);
    assert_eq!(service.state().images.len(), 1);
}

#[test]
fn a_signal_cleans_up() {
    let (service, folder) = (StandIn::start(), Folder::with(&vec![5; LARGE]));
    service.fail("PUT", Fault::Status(503));
    let run = Run::default();
    let interrupt = run.interrupt.clone();
    let watched = service.clone();
    std::thread::spawn(move || {
        while watched.count("PUT") == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        interrupt.raise();
    });
    // Until the one who watches has seen the first, on a machine that lets it wait.
    service.fail("PUT", Fault::Stall(Duration::from_millis(900)));
    let error = run.upload(&service, &folder).unwrap_err();
    assert_eq!(error.kind, Kind::Interrupted, "{error}");
    assert!(service.state().images.is_empty());
    assert!(!folder.open().0.path().exists());
}

#[test]
fn a_file_that_changes_is_never_published() {
    let (service, folder) = (StandIn::start(), Folder::with(&vec![5; 1 << 20]));
    let (_, image) = folder.open();
    std::fs::write(folder.image(), vec![6; 1 << 20]).unwrap();
    assert!(image.check_unchanged().is_err());
    // The manifest is of other bytes.
    let name = "web.raw";
    let manifest =
        serde_json::json!({ "images": [{ "file": name, "size": 1 << 20, "sha256": "ab".repeat(32) }] });
    std::fs::write(folder.0.join("web.manifest.json"), manifest.to_string()).unwrap();
    let error = put(&service, &folder).unwrap_err();
    assert_eq!(error.kind, Kind::Mismatch, "{error}");
    assert!(service.state().images.is_empty());
}

#[test]
fn older_images_of_ours_are_retired_by_id() {
    for (replace, left, hidden) in [(Replace::Keep, 3, 0), (Replace::Hide, 3, 1), (Replace::Delete, 2, 0)] {
        let service = StandIn::start();
        let old = put(&service, &Folder::with(b"old")).unwrap().object.id;
        let foreign = serde_json::json!({
            "id": "foreign", "name": "web", "status": "active", "os_hidden": false, "owner": "project-1",
        });
        service.state().images.insert("foreign".to_owned(), foreign);
        let settings = Settings { replace, protected: true, ..settings() };
        let new = Run { settings, ..Run::default() }.upload(&service, &Folder::with(b"new")).unwrap();
        let retired = if replace == Replace::Keep { vec![] } else { vec![old] };
        assert_eq!(new.retired, retired);
        let state = service.state();
        assert_eq!(state.images.len(), left);
        assert_eq!(state.images.values().filter(|image| image["os_hidden"] == true).count(), hidden);
        assert_eq!(state.images[&new.object.id]["protected"], true);
    }
}

#[test]
fn what_may_not_be_public_is_not_left() {
    let (service, folder) = (StandIn::start(), Folder::with(b"image"));
    let settings = Settings { visibility: Visibility::Public, ..settings() };
    let error = Run { settings, ..Run::default() }.upload(&service, &folder).unwrap_err();
    assert!(error.to_string().contains("public"), "{error}");
    assert!(service.state().images.is_empty());
}

#[test]
fn cleaning_removes_what_the_journal_names_and_nothing_else() {
    let (service, folder) = (StandIn::start(), Folder::with(b"image"));
    let kept = put(&service, &Folder::with(b"another")).unwrap().object.id;
    let published = put(&service, &folder).unwrap().object.id;
    let (journal, image) = folder.open();
    let patience = Arc::new(Patience::new(limits(), Interrupt::default()));
    let other = Settings { tags: vec!["begun".to_owned()], ..settings() };
    let mut glance = target(&service, other, patience);
    let plan = UploadPlan::new(&glance, &image, "web");
    journal.begin(&plan, None, image.stamp, &plan.id(1)).unwrap();
    glance.create(&plan, &plan.id(1)).unwrap();
    // What this cloud does not show may be in another one.
    let mut elsewhere = journal.entries().unwrap();
    elsewhere.iter_mut().for_each(|entry| entry.place = "another".into());
    assert!(clean(&mut glance, &journal, &elsewhere, true).unwrap().is_empty());
    assert_eq!(journal.entries().unwrap().len(), 2);
    let removed = clean(&mut glance, &journal, &journal.entries().unwrap(), false).unwrap();
    assert_eq!(removed, [plan.id(1)]);
    assert!(journal.entries().unwrap().iter().all(|entry| entry.state == State::Done));
    let removed = clean(&mut glance, &journal, &journal.entries().unwrap(), true).unwrap();
    assert_eq!(removed, [published]);
    assert_eq!(service.state().images.keys().collect::<Vec<_>>(), [&kept]);
    assert!(!journal.path().exists());
}

#[test]
fn a_plan_is_the_same_for_the_same_wishes_only() {
    let (service, folder) = (StandIn::start(), Folder::with(b"image"));
    let (_, image) = folder.open();
    let plan = |settings: Settings| {
        let patience = Arc::new(Patience::new(limits(), Interrupt::default()));
        UploadPlan::new(&target(&service, settings, patience), &image, "web")
    };
    assert_eq!(plan(settings()).hash, plan(settings()).hash);
    assert_ne!(plan(settings()).hash, plan(Settings { protected: true, ..settings() }).hash);
    let shown = plan(settings()).to_json().to_string();
    assert!(!shown.contains("secret") && !shown.contains("{id}") && !shown.contains("{plan}"), "{shown}");
    assert!(service.state().log.is_empty(), "a plan asks nobody");
}

#[test]
fn a_service_with_a_hash_of_its_own_is_read_back() {
    for damaged in [false, true] {
        let (service, folder) = (StandIn::start(), Folder::with(&vec![1; 2 << 20]));
        service.state().odd_hash = true;
        if damaged {
            service.fail("PUT", Fault::Damage);
        }
        let outcome = put(&service, &folder);
        assert_eq!(outcome.is_err(), damaged);
        assert_eq!(service.state().images.is_empty(), damaged);
    }
}
