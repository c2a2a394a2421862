//! Addresses of packages (purl), type `deb`: `pkg:deb/VENDOR/NAME@VERSION?arch=ARCHITECTURE&distro=CODENAME`.

use packageurl::PackageUrl;

/// Returns the address of a Debian package; `codename` is left out where it is empty. None where the parts make no address,
/// which only a damaged database gives.
pub fn deb(vendor: &str, name: &str, version: &str, architecture: &str, codename: &str) -> Option<String> {
    let mut purl = PackageUrl::new("deb", name.to_lowercase()).ok()?;
    purl.with_namespace(vendor.to_lowercase()).ok()?.with_version(version.to_owned()).ok()?;
    for (key, value) in [("arch", architecture), ("distro", codename)] {
        if !value.is_empty() {
            purl.add_qualifier(key, value.to_owned()).ok()?;
        }
    }
    Some(purl.to_string())
}

#[cfg(test)]
mod tests {
    use super::deb;

    #[test]
    fn addresses_are_those_of_the_specification() {
        let curl = deb("debian", "curl", "7.50.3-1", "i386", "jessie");
        assert_eq!(curl.as_deref(), Some("pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie"));
        let library = deb("Debian", "libstdc++6", "1:12.2.0-14+deb12u1~x", "amd64", "");
        let expected = "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1~x?arch=amd64";
        assert_eq!(library.as_deref(), Some(expected));
    }
}
