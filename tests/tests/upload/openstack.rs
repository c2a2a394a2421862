//! A real Keystone and a real Glance on loopback, from Debian's packages: sqlite, files, one process each.
//!
//! Needs `python3-keystone`, `glance-api` and `uwsgi-plugin-python3` (`scripts/install-test-dependencies`).

use std::cell::RefCell;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use integration_tests::scratch::Scratch;
use serde_json::{Value, json};

/// How long a service may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(90);
const ADMIN_PASSWORD: &str = "admin-of-the-test";
pub const DEMO_PASSWORD: &str = "demo-of-the-test";

/// The services. They end with the value, and with this process.
pub struct OpenStack {
    folder: Scratch,
    keystone: Child,
    glance: Child,
    pub identity: String,
    pub image: String,
    /// Id of a project that nobody of the test is in.
    pub partner: String,
    /// Id of the user `demo`.
    user: String,
    /// A token of `demo` that has not ended.
    token: RefCell<Option<String>>,
}

impl OpenStack {
    /// Starts both, makes a project `demo` with a user `demo`, and writes `clouds.yaml` with the clouds `demo` (password)
    /// and `ci` (application credential). Glance takes images of up to `size_cap` bytes and `quota` of a project.
    pub fn start(name: &str, size_cap: u64, quota: u64) -> Self {
        let folder = Scratch::new(name);
        let path = folder.path().to_owned();
        for inside in ["images", "more", "staging", "tasks", "lock", "fernet", "credential"] {
            fs::create_dir_all(path.join(inside)).expect("a folder");
        }
        let (identity_port, image_port) = (free_port(), free_port());
        let identity = format!("http://127.0.0.1:{identity_port}");
        let image = format!("http://127.0.0.1:{image_port}");
        fs::write(path.join("keystone.conf"), keystone_configuration(&path)).expect("written");
        let glance_conf = glance_configuration(&path, &identity, image_port, (size_cap, quota));
        fs::write(path.join("glance.conf"), glance_conf).expect("written");
        prepare(&path, &identity);
        let keystone = spawn(
            Command::new("uwsgi")
                .args(["--plugins", "python3", "--http-socket", &format!("127.0.0.1:{identity_port}")])
                .args(["--wsgi-file", "/usr/bin/keystone-wsgi-public", "--need-app", "--die-on-term"])
                // More threads meet a locked database; answers carry no length that allows another request.
                .args(["--processes", "1", "--threads", "1", "--buffer-size", "65535"])
                .args(["--add-header", "Connection: close"])
                .env("OS_KEYSTONE_CONFIG_FILES", path.join("keystone.conf")),
            &path.join("keystone.out"),
        );
        let glance = spawn(
            Command::new("glance-api").arg("--config-file").arg(path.join("glance.conf")),
            &path.join("glance.out"),
        );
        let (partner, user, token) = (String::new(), String::new(), RefCell::default());
        let mut services = Self { folder, keystone, glance, identity, image, partner, user, token };
        services.wait();
        (services.partner, services.user) = services.provision();
        services
    }

    pub fn clouds(&self) -> PathBuf {
        self.folder.path().join("clouds.yaml")
    }

    /// Folder for the images of a test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a cloud `name` to `clouds.yaml`: the cloud `demo`, with these values laid over its own.
    pub fn also(&self, name: &str, values: &[(&str, &str)]) {
        let text = fs::read_to_string(self.clouds()).expect("read");
        let mut clouds: Value = serde_json::from_str(&text).expect("it was written as JSON");
        let mut cloud = clouds["clouds"]["demo"].clone();
        for (key, value) in values {
            match *key {
                "auth_url" => cloud["auth"]["auth_url"] = (*value).into(),
                key => cloud[key] = (*value).into(),
            }
        }
        clouds["clouds"][name] = cloud;
        fs::write(self.clouds(), clouds.to_string()).expect("written");
    }

    /// Lists images as the user `demo` sees them, hidden ones too.
    pub fn images(&self) -> Vec<Value> {
        let token = self.demo();
        let list = |hidden: bool| {
            let url = format!("{}/v2/images?os_hidden={hidden}", self.image);
            ask("GET", &url, &token, None)["images"].as_array().cloned().unwrap_or_default()
        };
        [list(false), list(true)].concat()
    }

    /// Makes an image that waits for its data; returns the address for these, and the header that allows to send them.
    pub fn waiting_image(&self) -> (String, String) {
        let token = self.demo();
        let wanted = json!({ "name": "waiting", "disk_format": "raw", "container_format": "bare" });
        let made = ask("POST", &format!("{}/v2/images", self.image), &token, Some(&wanted));
        let id = made["id"].as_str().expect("an id");
        (format!("{}/v2/images/{id}/file", self.image), format!("X-Auth-Token: {token}"))
    }

    /// Deletes an image by the address of its data.
    pub fn delete(&self, file: &str) {
        ask("DELETE", file.trim_end_matches("/file"), &self.demo(), None);
    }

    /// Lists whom the user `demo` shares an image with.
    pub fn members(&self, id: &str) -> Vec<String> {
        let found = ask("GET", &format!("{}/v2/images/{id}/members", self.image), &self.demo(), None);
        let members = found["members"].as_array().into_iter().flatten();
        members.filter_map(|member| member["member_id"].as_str()).map(str::to_owned).collect()
    }

    /// Returns a token that has not ended: each takes the service a while.
    pub fn demo(&self) -> String {
        let mut kept = self.token.borrow_mut();
        kept.get_or_insert_with(|| self.token("demo", DEMO_PASSWORD, "demo").0).clone()
    }

    /// Has all tokens of the user `demo` end before their time, as when the user is locked. Services answer to them as to
    /// those whose time is over.
    pub fn end_tokens(&self) {
        let (admin, _) = self.token("admin", ADMIN_PASSWORD, "admin");
        for enabled in [false, true] {
            let url = format!("{}/v3/users/{}", self.identity, self.user);
            ask("PATCH", &url, &admin, Some(&json!({ "user": { "enabled": enabled } })));
        }
        *self.token.borrow_mut() = None;
        // What is given out in the same second ends with them.
        std::thread::sleep(Duration::from_secs(2));
    }

    fn wait(&self) {
        for (url, log) in [(&self.identity, "keystone.out"), (&self.image, "glance.out")] {
            let began = Instant::now();
            let address = url.trim_start_matches("http://");
            // Both bind when they are ready to be asked.
            while TcpStream::connect(address).is_err() {
                let said = fs::read_to_string(self.folder.path().join(log)).unwrap_or_default();
                assert!(began.elapsed() < PATIENCE, "{url} does not answer:\n{said}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    /// Returns the ids of the partner's project and of the user.
    fn provision(&self) -> (String, String) {
        let (admin, _) = self.token("admin", ADMIN_PASSWORD, "admin");
        let make = |what: &str, body: Value| {
            let url = format!("{}/v3/{what}s", self.identity);
            let made = ask("POST", &url, &admin, Some(&json!({ what: body })));
            made[what]["id"].as_str().expect("an id").to_owned()
        };
        let service = make("service", json!({ "name": "glance", "type": "image" }));
        make(
            "endpoint",
            json!({ "service_id": service, "interface": "public", "region_id": "One", "url": self.image }),
        );
        let project = make("project", json!({ "name": "demo", "domain_id": "default" }));
        let partner = make("project", json!({ "name": "partner", "domain_id": "default" }));
        let user = json!({ "name": "demo", "domain_id": "default", "password": DEMO_PASSWORD, "default_project_id": project });
        let user = make("user", user);
        let roles = ask("GET", &format!("{}/v3/roles?name=member", self.identity), &admin, None);
        let role = roles["roles"][0]["id"].as_str().expect("the role is there");
        let grant = format!("{}/v3/projects/{project}/users/{user}/roles/{role}", self.identity);
        ask("PUT", &grant, &admin, None);
        let (demo, _) = self.token("demo", DEMO_PASSWORD, "demo");
        let url = format!("{}/v3/users/{user}/application_credentials", self.identity);
        let wanted = json!({ "application_credential": { "name": "ci", "roles": [{ "name": "member" }] } });
        let credential = ask("POST", &url, &demo, Some(&wanted))["application_credential"].take();
        let clouds = json!({ "clouds": {
            "demo": { "region_name": "One", "auth": {
                "auth_url": self.identity, "username": "demo", "password": DEMO_PASSWORD, "project_name": "demo",
                "user_domain_id": "default", "project_domain_id": "default",
            } },
            "ci": { "region_name": "One", "auth_type": "v3applicationcredential", "auth": {
                "auth_url": self.identity, "application_credential_id": credential["id"],
                "application_credential_secret": credential["secret"],
            } },
        } });
        // JSON is YAML.
        fs::write(self.clouds(), clouds.to_string()).expect("written");
        (partner, user)
    }

    /// Returns a token and the whole answer.
    fn token(&self, user: &str, password: &str, project: &str) -> (String, Value) {
        let domain = json!({ "id": "default" });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": user, "domain": domain, "password": password,
            } } },
            "scope": { "project": { "name": project, "domain": domain } },
        } });
        let url = format!("{}/v3/auth/tokens", self.identity);
        let sent = ureq::post(&url).header("Content-Type", "application/json").send(body.to_string());
        let mut answer = sent.expect("a token");
        let token = answer.headers()["x-subject-token"].to_str().expect("text").to_owned();
        let text = answer.body_mut().read_to_string().expect("an answer");
        (token, serde_json::from_str(&text).expect("JSON"))
    }
}

impl Drop for OpenStack {
    fn drop(&mut self) {
        for service in [&mut self.keystone, &mut self.glance] {
            // It may have ended by itself.
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

fn ask(method: &str, url: &str, token: &str, body: Option<&Value>) -> Value {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(url)
        .header("X-Auth-Token", token)
        .header("Content-Type", "application/json")
        .body(body.map(Value::to_string).unwrap_or_default())
        .expect("a request");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.run(request).unwrap_or_else(|error| panic!("{method} {url}: {error}"));
    let text = answer.body_mut().read_to_string().expect("an answer");
    assert!(answer.status().is_success(), "{method} {url}: {} {text}", answer.status());
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn keystone_configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "[DEFAULT]\nlog_file = {folder}/keystone.log\n\
         [database]\nconnection = sqlite:///{folder}/keystone.sqlite\n\
         [token]\nprovider = fernet\nallow_expired_window = 0\n\
         [fernet_tokens]\nkey_repository = {folder}/fernet\n\
         [fernet_receipts]\nkey_repository = {folder}/fernet\n\
         [credential]\nkey_repository = {folder}/credential\n\
         [identity]\npassword_hash_rounds = 4\n\
         [oslo_policy]\nenforce_scope = false\n"
    )
}

fn glance_configuration(folder: &Path, identity: &str, port: u16, (size_cap, quota): (u64, u64)) -> String {
    let folder = folder.display();
    format!(
        "[DEFAULT]\nbind_host = 127.0.0.1\nbind_port = {port}\nworkers = 0\nlog_file = {folder}/glance.log\n\
         enabled_backends = files:file, more:file\nimage_size_cap = {size_cap}\nuser_storage_quota = {quota}\n\
         [database]\nconnection = sqlite:///{folder}/glance.sqlite\n\
         [glance_store]\ndefault_backend = files\n\
         [files]\nfilesystem_store_datadir = {folder}/images\n\
         [more]\nfilesystem_store_datadir = {folder}/more\n\
         [os_glance_staging_store]\nfilesystem_store_datadir = {folder}/staging\n\
         [os_glance_tasks_store]\nfilesystem_store_datadir = {folder}/tasks\n\
         [oslo_concurrency]\nlock_path = {folder}/lock\n\
         [paste_deploy]\nflavor = keystone\nconfig_file = /usr/share/glance-common/glance-api-paste.ini\n\
         [keystone_authtoken]\nwww_authenticate_uri = {identity}\nauth_url = {identity}\nauth_type = password\n\
         username = admin\npassword = {ADMIN_PASSWORD}\nproject_name = admin\n\
         user_domain_id = default\nproject_domain_id = default\n\
         # A token that has ended is refused at once.\ntoken_cache_time = -1\n"
    )
}

/// Makes databases, keys and the administrator.
fn prepare(folder: &Path, identity: &str) {
    let id = |flag| tool(Command::new("id").arg(flag)).trim().to_owned();
    let (user, group) = (id("-un"), id("-gn"));
    let keystone = || {
        let mut command = Command::new("keystone-manage");
        command.arg("--config-file").arg(folder.join("keystone.conf"));
        command
    };
    tool(keystone().arg("db_sync"));
    for keys in ["fernet_setup", "credential_setup"] {
        tool(keystone().args([keys, "--keystone-user", &user, "--keystone-group", &group]));
    }
    tool(
        keystone()
            .args(["bootstrap", "--bootstrap-password", ADMIN_PASSWORD, "--bootstrap-region-id", "One"])
            .args(["--bootstrap-public-url", &format!("{identity}/v3/")])
            // Glance asks about tokens at this one.
            .args(["--bootstrap-internal-url", &format!("{identity}/v3/")]),
    );
    tool(Command::new("glance-manage").arg("--config-file").arg(folder.join("glance.conf")).arg("db_sync"));
}

fn tool(command: &mut Command) -> String {
    let output = command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output();
    let output = output.unwrap_or_else(|error| {
        panic!("{command:?}: {error}; scripts/install-test-dependencies installs it")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn spawn(command: &mut Command, log: &Path) -> Child {
    let log = fs::File::create(log).expect("a log");
    let command = command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    let command = command.stdout(log.try_clone().expect("a log")).stderr(log);
    host::child::die_with_parent(command).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Returns a port that nothing is given before a service takes it: below those that the kernel hands out.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let ports = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
    ports.take(5000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port")
}
