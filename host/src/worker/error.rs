//! Why there is no worker, in words that say what to change.

use std::fs;
use std::io;

use nix::errno::Errno;

use super::id_map::IdMapError;

/// The worker could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Root was asked for by somebody else.
    #[error("isolation '{0}' needs root; leave `--isolation` out, or use `user`")]
    NotRoot(&'static str),
    /// [`super::run`] was called too late.
    #[error("the worker must be started before any thread")]
    Threads,
    /// No subordinate ids, or no way to use them.
    #[error(transparent)]
    Ids(#[from] IdMapError),
    /// The kernel allows no namespaces.
    #[error("entering namespaces of our own ({what}): {source}\n  hint: {hint}")]
    Namespaces {
        /// What was asked of the kernel.
        what: &'static str,
        /// Its answer.
        source: io::Error,
        /// The setting that says no, if one does, and what to do.
        hint: String,
    },
    /// A process or a pipe could not be made.
    #[error("making the worker process: {0}")]
    Process(io::Error),
}

/// A setting that forbids user namespaces when it has this value, and the value that allows them.
struct Setting {
    name: &'static str,
    forbids: &'static str,
    allows: &'static str,
}

const SETTINGS: [Setting; 3] = [
    Setting { name: "kernel.unprivileged_userns_clone", forbids: "0", allows: "1" },
    Setting { name: "user.max_user_namespaces", forbids: "0", allows: "15000" },
    Setting { name: "kernel.apparmor_restrict_unprivileged_userns", forbids: "1", allows: "0" },
];

impl Error {
    pub(super) fn process(errno: Errno) -> Self {
        Self::Process(errno.into())
    }

    /// The kernel has refused `what`.
    pub(super) fn refused(user_namespace: bool, what: &'static str, errno: Errno) -> Self {
        let hint = if user_namespace {
            user_namespace_hint(&|path| fs::read_to_string(path).ok())
        } else {
            "this root has no CAP_SYS_ADMIN, as in a container: start it with `--cap-add SYS_ADMIN --security-opt \
             apparmor=unconfined`, or try `--isolation user`, or `--isolation chroot`, which needs no namespace"
                .to_owned()
        };
        Self::Namespaces { what, source: errno.into(), hint }
    }
}

/// Names the setting of this host that forbids user namespaces. `read` gives a file's text.
pub(super) fn user_namespace_hint(read: &dyn Fn(&str) -> Option<String>) -> String {
    let value = |name: &str| read(&format!("/proc/sys/{}", name.replace('.', "/")));
    let forbidding =
        SETTINGS.iter().find(|setting| value(setting.name).is_some_and(|v| v.trim() == setting.forbids));
    match forbidding {
        Some(Setting { name, forbids, allows }) => format!(
            "{name} is {forbids} here; as root: `sysctl -w {name}={allows}`, and to keep it: \
             `echo {name}={allows} > /etc/sysctl.d/60-bootwright.conf`; or build as root: `--isolation chroot` needs no \
             namespace"
        ),
        None => "a container's seccomp filter or a security module forbids it, perhaps; build outside of it, or as root with \
                 `--isolation chroot`, which needs no namespace"
            .to_owned(),
    }
}
