//! Images, datastores and templates as the front-end lists them.

use roxmltree::{Document, Node};

use super::rpc::{Parameter, Value, call};
use super::{Access, NAME, PLAN, UPLOAD};
use crate::upload::{Http, Kind, UploadError};

/// Filter of lists: what the user owns.
const MINE: i64 = -3;
/// A datastore's type that holds images.
const IMAGES: &str = "0";

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) number: i64,
    pub(super) name: String,
    pub(super) state: i64,
    pub(super) public: bool,
    pub(super) plan: Option<String>,
    pub(super) upload: Option<String>,
    pub(super) asked_name: Option<String>,
    /// Why it could not be made.
    pub(super) error: Option<String>,
}

/// A datastore for images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Datastore {
    pub(super) number: i64,
    pub(super) name: String,
    /// MiB; 0 is one that was not looked at yet.
    free: u64,
    safe: Vec<String>,
}

fn text<'a>(node: Node<'a, '_>, path: &[&str]) -> Option<&'a str> {
    let found =
        path.iter().try_fold(node, |node, name| node.children().find(|child| child.has_tag_name(*name)))?;
    found.text().map(str::trim).filter(|text| !text.is_empty())
}

fn each<T>(
    doing: &str,
    answer: &Value,
    element: &str,
    read: impl Fn(Node<'_, '_>) -> Option<T>,
) -> Result<Vec<T>, UploadError> {
    let document = Document::parse(answer.text()).map_err(|error| {
        UploadError::new(Kind::Refused, doing, format!("the list is no XML ({error})"), "check ONE_XMLRPC")
    })?;
    Ok(document.descendants().filter(|node| node.has_tag_name(element)).filter_map(read).collect())
}

fn image(node: Node<'_, '_>) -> Option<Image> {
    let attribute = |name: &str| text(node, &["TEMPLATE", name]).map(str::to_owned);
    Some(Image {
        number: text(node, &["ID"])?.parse().ok()?,
        name: text(node, &["NAME"])?.to_owned(),
        state: text(node, &["STATE"])?.parse().ok()?,
        public: text(node, &["PERMISSIONS", "OTHER_U"]) == Some("1"),
        plan: attribute(PLAN),
        upload: attribute(UPLOAD),
        asked_name: attribute(NAME),
        error: attribute("ERROR"),
    })
}

/// Lists the user's images.
pub(super) fn images(http: &Http, access: &Access) -> Result<Vec<Image>, UploadError> {
    let parameters = [Parameter::Number(MINE), Parameter::Number(-1), Parameter::Number(-1)];
    let answer = call(http, access, "one.imagepool.info", &parameters)?;
    each("listing images", &answer, "IMAGE", image)
}

/// Looks at one image; none if it is gone.
pub(super) fn show(http: &Http, access: &Access, number: i64) -> Result<Option<Image>, UploadError> {
    let parameters = [Parameter::Number(number), Parameter::Flag(false)];
    match call(http, access, "one.image.info", &parameters) {
        Ok(answer) => Ok(each("looking at an image", &answer, "IMAGE", image)?.into_iter().next()),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds the template of machines of an upload.
pub(super) fn template(http: &Http, access: &Access, upload: &str) -> Result<Option<i64>, UploadError> {
    let parameters = [Parameter::Number(MINE), Parameter::Number(-1), Parameter::Number(-1)];
    let answer = call(http, access, "one.templatepool.info", &parameters)?;
    let ours = each("listing templates", &answer, "VMTEMPLATE", |node| {
        (text(node, &["TEMPLATE", UPLOAD]) == Some(upload)).then(|| text(node, &["ID"])?.parse().ok())?
    })?;
    Ok(ours.into_iter().next())
}

/// Finds a datastore for images by its number or name.
pub(super) fn datastore(http: &Http, access: &Access, wanted: &str) -> Result<Datastore, UploadError> {
    let doing = format!("looking for the datastore '{wanted}'");
    let answer = call(http, access, "one.datastorepool.info", &[])?;
    let known = each(&doing, &answer, "DATASTORE", |node| {
        let safe = text(node, &["TEMPLATE", "SAFE_DIRS"]).unwrap_or("/var/tmp");
        (text(node, &["TYPE"])? == IMAGES).then_some(())?;
        Some(Datastore {
            number: text(node, &["ID"])?.parse().ok()?,
            name: text(node, &["NAME"])?.to_owned(),
            free: text(node, &["FREE_MB"]).and_then(|free| free.parse().ok()).unwrap_or(0),
            safe: safe.split_whitespace().map(str::to_owned).collect(),
        })
    })?;
    let found = known.iter().find(|store| store.number.to_string() == wanted || store.name == wanted);
    found.cloned().ok_or_else(|| {
        let names: Vec<String> =
            known.iter().map(|store| format!("{} ({})", store.name, store.number)).collect();
        let why = format!("there is none for images that you may use; there are: {}", names.join(", "));
        UploadError::input(doing, why, "name one by --datastore")
    })
}

impl Datastore {
    /// Checks that a file of `size` bytes has room, and that a path may be read from.
    pub(super) fn check(&self, size: u64, path: Option<&str>) -> Result<(), UploadError> {
        let doing = format!("checking the datastore '{}'", self.name);
        let wanted = size.div_ceil(1 << 20);
        if self.free > 0 && self.free < wanted {
            let why = format!("it has {} MiB free, the image has {wanted}", self.free);
            return Err(UploadError::new(
                Kind::Refused,
                doing,
                why,
                "make room, or name another by --datastore",
            ));
        }
        match path.filter(|path| !self.safe.iter().any(|safe| std::path::Path::new(path).starts_with(safe))) {
            None => Ok(()),
            Some(path) => {
                let why = format!("'{path}' is not below one of its SAFE_DIRS: {}", self.safe.join(" "));
                Err(UploadError::new(
                    Kind::Refused,
                    doing,
                    why,
                    "put the file there, or have SAFE_DIRS changed",
                ))
            }
        }
    }
}
