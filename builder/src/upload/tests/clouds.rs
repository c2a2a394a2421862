use std::collections::HashMap;

use super::Folder;
use crate::upload::glance::cloud::{self, Credential, Domain, Named};

const CLOUDS: &str = "
clouds:
  password:
    region_name: One
    cacert: /of/the/cloud/ca.pem
    cert: /of/the/cloud/mine.pem
    key: /of/the/cloud/mine.key
    interface: internalURL
    verify: false
    auth: { auth_url: 'https://id.example.org:5000/v3/', username: demo, project_name: web, user_domain_name: Team, project_domain_id: d1 }
  application:
    profile: vendor
    auth: { application_credential_id: a1 }
  broken:
    auth: { auth_url: 'https://id.example.org', username: demo, project_name: web }
";
const SECURE: &str = "
clouds:
  password: { auth: { password: 12345 } }
  application: { auth: { application_credential_secret: s3 } }
";
const PUBLIC: &str = "
public-clouds:
  vendor: { auth: { auth_url: 'https://vendor.example.org/identity' }, image_endpoint_override: 'https://img.example.org/v2' }
";

fn find(
    name: Option<&str>,
    variables: &[(&str, &str)],
    secure: &str,
) -> Result<cloud::Cloud, crate::upload::UploadError> {
    let folder = Folder::with(b"");
    let mut known: HashMap<String, String> = HashMap::new();
    for (file, variable, text) in [
        ("clouds.yaml", "OS_CLIENT_CONFIG_FILE", CLOUDS),
        ("secure.yaml", "OS_CLIENT_SECURE_FILE", secure),
        ("clouds-public.yaml", "OS_CLIENT_VENDOR_FILE", PUBLIC),
    ] {
        std::fs::write(folder.0.join(file), text).unwrap();
        known.insert(variable.to_owned(), folder.0.join(file).display().to_string());
    }
    known.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    cloud::find(name, &|name| known.get(name).cloned())
}

#[test]
fn files_are_laid_over_each_other() {
    let cloud = find(Some("password"), &[], SECURE).unwrap();
    assert_eq!(
        (cloud.identity.as_str(), cloud.interface.as_str()),
        ("https://id.example.org:5000", "internal")
    );
    assert!(cloud.trust.blind);
    let Credential::Password { user, password } = &cloud.credential else { panic!("{cloud:?}") };
    assert_eq!(*user, Named::Name { name: "demo".into(), domain: Domain::Name("Team".into()) });
    assert_eq!(password.expose(), "12345");
    assert!(!format!("{cloud:?}").contains("12345"));
    let cloud = find(None, &[("OS_CLOUD", "application")], SECURE).unwrap();
    assert_eq!(cloud.identity, "https://vendor.example.org/identity");
    assert_eq!(cloud.image.as_deref(), Some("https://img.example.org"));
    assert!(matches!(&cloud.credential, Credential::Application { which, user: None, .. } if which == "a1"));
}

#[test]
fn the_environment_describes_a_cloud() {
    let base = [("OS_AUTH_URL", "http://id/v3"), ("OS_PROJECT_NAME", "web")];
    let with = |more: &[(&str, &str)]| find(None, &[&base[..], more].concat(), SECURE);
    let cloud = with(&[("OS_USERNAME", "demo"), ("OS_PASSWORD", "x"), ("OS_CACERT", "/ca.pem")]).unwrap();
    let scope = Named::Name { name: "web".into(), domain: Domain::Id("default".into()) };
    assert_eq!((cloud.name, cloud.scope), (None, Some(scope)));
    assert_eq!(cloud.trust.authorities.unwrap().to_str(), Some("/ca.pem"));
    let token = with(&[("OS_TOKEN", "t"), ("OS_AUTH_TYPE", "v3token")]).unwrap();
    assert!(matches!(token.credential, Credential::Token(_)));
}

#[test]
fn files_of_the_environment_count_more_than_those_of_the_cloud() {
    let trust = |variables: &[(&str, &str)]| {
        let trust = find(Some("password"), variables, SECURE).unwrap().trust;
        let text = |path: Option<std::path::PathBuf>| path.map(|path| path.display().to_string());
        [trust.authorities, trust.certificate, trust.key].map(text)
    };
    let owned = |words: [Option<&str>; 3]| words.map(|word| word.map(str::to_owned));
    let [ca, cert, key] = ["ca.pem", "mine.pem", "mine.key"].map(|name| format!("/of/the/cloud/{name}"));
    let (ca, cert, key) = (Some(ca.as_str()), Some(cert.as_str()), Some(key.as_str()));
    assert_eq!(trust(&[]), owned([ca, cert, key]));
    assert_eq!(trust(&[("OS_CACERT", "/my/ca")]), owned([Some("/my/ca"), cert, key]));
    assert_eq!(trust(&[("OS_KEY", "/my/key")]), owned([ca, cert, Some("/my/key")]));
    // One file with both.
    assert_eq!(trust(&[("OS_CERT", "/my/both")]), owned([ca, Some("/my/both"), None]));
    assert_eq!(
        trust(&[("HOME", "/h"), ("OS_CERT", "~/c"), ("OS_KEY", "~/k")]),
        owned([ca, Some("/h/c"), Some("/h/k")])
    );
}

#[test]
fn what_is_missing_is_said_without_secrets() {
    for (name, variables, secure, expected) in [
        (Some("broken"), &[][..], SECURE, "who asks is missing"),
        (Some("other"), &[], SECURE, "clouds.yaml has password, application, broken"),
        (None, &[], SECURE, "there are several"),
        (
            None,
            &[("OS_AUTH_URL", "http://id"), ("OS_USERNAME", "a"), ("OS_PASSWORD", "pass1")],
            SECURE,
            "the project",
        ),
        (Some("password"), &[], "clouds: { password: { auth: { password: pass1 }", "it is no YAML"),
    ] {
        let error = find(name, variables, secure).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("pass1"), "{error}");
    }
}
