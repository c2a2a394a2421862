//! Which proxy stands before an address, by the variables that other programs obey.

/// What the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ProxyRules {
    /// For `http://` addresses.
    pub http: Option<String>,
    /// For `https://` addresses.
    pub https: Option<String>,
    /// Hosts that are reached directly.
    direct: Vec<String>,
}

impl ProxyRules {
    /// Reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, lower case before upper case.
    pub(super) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let find = |names: &[&str]| {
            let set = |name: &&str| variable(name).or_else(|| variable(&name.to_uppercase()));
            names.iter().find_map(set).filter(|value| !value.is_empty())
        };
        let direct = find(&["no_proxy"]).unwrap_or_default();
        Self {
            http: find(&["http_proxy", "all_proxy"]),
            https: find(&["https_proxy", "all_proxy"]),
            direct: direct.split(',').map(|entry| entry.trim().to_lowercase()).collect(),
        }
    }

    /// Returns whether `host` is reached without a proxy: named itself, below a named domain, or by `*`.
    pub(super) fn is_direct(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        self.direct.iter().filter(|entry| !entry.is_empty()).any(|entry| {
            let domain = entry.trim_start_matches('*').trim_start_matches('.');
            entry == "*"
                || host == domain
                || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(variables: &[(&str, &str)]) -> ProxyRules {
        ProxyRules::from_environment(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_scheme_has_its_variable() {
        let both = rules(&[("http_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:2")]);
        assert_eq!((both.http.as_deref(), both.https.as_deref()), (Some("http://a:1"), Some("http://b:2")));
        let all = rules(&[("ALL_PROXY", "http://c:3"), ("https_proxy", "http://d:4")]);
        assert_eq!((all.http.as_deref(), all.https.as_deref()), (Some("http://c:3"), Some("http://d:4")));
        assert_eq!(rules(&[("http_proxy", "")]).http, None);
    }

    #[test]
    fn exceptions_name_hosts_and_domains() {
        let some = rules(&[("no_proxy", "localhost, .example.org,example.net,*.example.com,10.0.0.1")]);
        for host in
            ["localhost", "a.example.org", "example.net", "b.example.net", "c.example.com", "10.0.0.1"]
        {
            assert!(some.is_direct(host), "{host}");
        }
        for host in ["notexample.net", "example.de", "10.0.0.11"] {
            assert!(!some.is_direct(host), "{host}");
        }
        assert!(rules(&[("NO_PROXY", "*")]).is_direct("anything"));
        assert!(!rules(&[]).is_direct("anything"));
    }
}
