//! Keystone and Glance behind TLS: authorities and certificates by `clouds.yaml` and by `OS_*`, and what is said when
//! they are not the right ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::openstack::{DEMO_PASSWORD, OpenStack};
use super::{clean, done, image, put, relay};

const SIZE: u64 = 4 << 20;

/// An authority, in a file.
struct Authority {
    file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, certificate.pem()).expect("written");
        Self { file, issuer: Issuer::new(parameters, key), certificate }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let parameters = CertificateParams::new([name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        (parameters.signed_by(&key, &self.issuer).expect("a certificate"), key)
    }

    /// Writes a certificate and its key.
    fn sign_into(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.sign(name);
        let files = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        fs::write(&files.0, certificate.pem())
            .and_then(|()| fs::write(&files.1, key.serialize_pem()))
            .expect("written");
        files
    }

    /// What a terminator of TLS in front of services is given that takes who has a certificate of this authority.
    fn terminator(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("an authority");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let (certificate, key) = self.sign("127.0.0.1");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.expect("a pair"))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Uploads by TLS, rightly and wrongly.
pub fn decide(cloud: &OpenStack) {
    let folder = cloud.folder();
    let authority = Authority::new(folder, "authority");
    let (mine, key) = authority.sign_into(folder, "mine");
    let way = Way::new(cloud, authority.terminator(rustls::ALL_VERSIONS));
    let image = image(cloud, "secure.raw", SIZE);
    let (ca, cert, key) = (text(&authority.file), text(&mine), text(&key));
    way.describe("secure", &[("cacert", ca), ("cert", cert), ("key", key)]);
    way.describe("bare", &[]);
    let first = done(put(cloud, &image, &["--cloud", "secure"]));
    assert_eq!(first["made"], true);
    let both = folder.join("both.pem");
    fs::write(&both, [fs::read(key).expect("read"), fs::read(cert).expect("read")].concat())
        .expect("written");
    let mut of_the_environment = put(cloud, &image, &[]);
    of_the_environment.envs([
        ("OS_USERNAME", "demo"),
        ("OS_PASSWORD", DEMO_PASSWORD),
        ("OS_PROJECT_NAME", "demo"),
    ]);
    of_the_environment.envs([("OS_USER_DOMAIN_ID", "default"), ("OS_PROJECT_DOMAIN_ID", "default")]);
    of_the_environment.envs([("OS_REGION_NAME", "One"), ("OS_AUTH_URL", &way.identity)]);
    of_the_environment.env("OS_IMAGE_ENDPOINT_OVERRIDE", &way.image);
    let pair = [("OS_CACERT", ca), ("OS_CERT", cert), ("OS_KEY", key)];
    let in_one_file = [("OS_CACERT", ca), ("OS_CERT", text(&both))];
    for (command, files) in [
        (of_the_environment, &pair[..]),
        (put(cloud, &image, &["--cloud", "bare"]), &pair),
        (put(cloud, &image, &["--cloud", "bare"]), &in_one_file),
    ] {
        let again = done(with(command, files));
        assert_eq!((&again["id"], &again["made"]), (&first["id"], &false.into()), "{files:?}");
    }
    done(super::command(cloud, &["clean", text(&image), "--cloud", "secure", "--all"]));
    refusals_name_the_setting(cloud, &authority, &image);
}

/// The two services by TLS.
struct Way<'a> {
    cloud: &'a OpenStack,
    identity: String,
    image: String,
}

impl<'a> Way<'a> {
    fn new(cloud: &'a OpenStack, config: Arc<ServerConfig>) -> Self {
        let to = |service: &str| format!("https://{}", relay::secure(service, config.clone()));
        let (identity, image) = (to(&cloud.identity), to(&cloud.image));
        Self { cloud, identity, image }
    }

    fn describe(&self, name: &str, files: &[(&str, &str)]) {
        let services = [("auth_url", self.identity.as_str()), ("image_endpoint_override", &self.image)];
        self.cloud.also(name, &[&services, files].concat());
    }
}

fn with(mut command: Command, files: &[(&str, &str)]) -> Command {
    command.envs(files.iter().copied());
    command
}

fn refusals_name_the_setting(cloud: &OpenStack, authority: &Authority, image: &Path) {
    let folder = cloud.folder();
    let stranger = Authority::new(folder, "stranger");
    let (foreign, foreign_key) = stranger.sign_into(folder, "foreign");
    let (mine, key) = (folder.join("mine.crt"), folder.join("mine.key"));
    let locked = folder.join("locked.key");
    fs::write(&locked, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n")
        .expect("written");
    let (ca, mine, key) =
        (("OS_CACERT", text(&authority.file)), ("OS_CERT", text(&mine)), ("OS_KEY", text(&key)));
    let foreign_pair = [ca, ("OS_CERT", text(&foreign)), ("OS_KEY", text(&foreign_key))];
    Way::new(cloud, authority.terminator(&[&rustls::version::TLS12])).describe("old", &[]);
    let other_name = Way::new(cloud, authority.terminator(rustls::ALL_VERSIONS));
    let by_name = other_name.identity.replace("127.0.0.1", "localhost");
    cloud.also("other name", &[("auth_url", &by_name)]);
    let refused = [
        ("bare", &[mine, key][..], 4, &["UnknownIssuer", "`cacert` (OS_CACERT)"][..]),
        (
            "bare",
            &[("OS_CACERT", text(&stranger.file)), mine, key],
            4,
            &["UnknownIssuer", "`cacert` (OS_CACERT)"],
        ),
        ("bare", &[ca], 4, &["CertificateRequired", "`cert` (OS_CERT)", "`key` (OS_KEY)"]),
        ("bare", &foreign_pair, 4, &["does not take the certificate of this machine", "`cert` (OS_CERT)"]),
        ("old", &[ca], 4, &["`cert` (OS_CERT)"]),
        ("old", &foreign_pair, 4, &["does not take the certificate of this machine", "`cert` (OS_CERT)"]),
        ("other name", &[ca, mine, key], 4, &["localhost", "is for other names"]),
        (
            "bare",
            &[ca, mine, ("OS_KEY", text(&foreign_key))],
            2,
            &["foreign.key", "is not that of the certificate", "mine.crt"],
        ),
        ("bare", &[ca, mine, ("OS_KEY", text(&locked))], 2, &["locked.key", "passphrase", "`key` (OS_KEY)"]),
        ("bare", &[ca, mine], 2, &["mine.crt", "it holds no key", "`key` (OS_KEY)"]),
        ("bare", &[ca, key], 2, &["nothing names its certificate", "`cert` (OS_CERT)"]),
        ("bare", &[("OS_CACERT", "/not/there.pem")], 2, &["/not/there.pem", "`cacert` (OS_CACERT)"]),
        ("bare", &[("OS_CACERT", key.1)], 2, &["it holds no certificate", "`cacert` (OS_CACERT)"]),
    ];
    for (name, files, code, words) in refused {
        let began = std::time::Instant::now();
        let mut command = with(put(cloud, image, &["--cloud", name, "--name", "refused"]), files);
        let said = failed(&command.output().expect("it runs"), code);
        for word in words {
            assert!(said.contains(word), "{name} {files:?}: '{word}' is not in\n{said}");
        }
        // What will not do a moment later either is not tried again.
        assert!(began.elapsed().as_secs() < 30, "{name} {files:?}: {:?}", began.elapsed());
    }
    let blind = [("verify", "false"), ("cert", mine.1), ("key", key.1)];
    Way { cloud, identity: other_name.identity, image: other_name.image }.describe("blind", &blind);
    let image = super::image(cloud, "blind.raw", SIZE);
    let output = put(cloud, &image, &["--cloud", "blind"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("warning: the cloud's certificate is not verified"),
        "{said}"
    );
    clean(cloud, &image);
}

fn failed(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}
