//! The headers in which a proxy names the user.

use http::{HeaderMap, HeaderName};

/// Whether a request keeps the headers in which a proxy names the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdentityHeaders {
    Removed,
    Kept,
}

/// The names in use; there is no standard. Headers with a signature of their own
/// (`x-amzn-oidc-data`, `x-goog-iap-jwt-assertion` and the like) are not listed, because a client
/// cannot invent them.
#[rustfmt::skip]
const NAMES: [&str; 36] = [
    // CGI, web servers and Authelia, which follow it; the front proxy of Kubernetes; Grafana.
    "remote-user", "remote-name", "remote-email", "remote-groups",
    "x-remote-user", "x-remote-name", "x-remote-email", "x-remote-group", "x-remote-groups", "x-webauth-user",
    // oauth2-proxy in both of its modes, and Traefik, nginx and Envoy with it.
    "x-forwarded-user", "x-forwarded-email", "x-forwarded-preferred-username", "x-forwarded-groups",
    "x-forwarded-access-token",
    "x-auth-request-user", "x-auth-request-email", "x-auth-request-preferred-username", "x-auth-request-groups",
    "x-auth-request-access-token",
    // API gateways such as Kong and Istio, and common names of applications.
    "x-authenticated-user", "x-authenticated-userid", "x-authenticated-groups", "x-authenticated-scope",
    "x-consumer-id", "x-consumer-username", "x-consumer-custom-id", "x-credential-identifier",
    "x-user", "x-user-id", "x-user-name", "x-user-email", "x-user-roles", "x-userinfo",
    // Load balancers of Google and Amazon.
    "x-goog-authenticated-user-email", "x-amzn-oidc-identity",
];

/// Removes them all.
pub(crate) fn remove(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| names_a_user(name)).cloned() {
        headers.remove(name);
    }
}

fn names_a_user(name: &HeaderName) -> bool {
    let name = name.as_str();
    // The first byte rules out nearly every header.
    name.starts_with(['x', 'r']) && NAMES.iter().any(|listed| is_same_variable(listed, name))
}

/// CGI and its successors treat `_` in a name as `-`.
fn is_same_variable(one: &str, other: &str) -> bool {
    let dashed = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.len() == other.len() && one.bytes().eq(other.bytes().map(dashed))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn r47_every_line_of_every_such_header_is_removed_and_no_other() {
        let others =
            ["x-forwarded-for", "x-forwarded-host", "x-request-id", "x-user-agent", "referer", "authorization"];
        let mut headers = HeaderMap::new();
        let underscored = NAMES.map(|name| name.replace('-', "_"));
        for name in NAMES.into_iter().chain(underscored.iter().map(String::as_str)).chain(others) {
            for value in ["root", "admin"] {
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
            }
        }
        remove(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let mut others = others;
        others.sort_unstable();
        assert_eq!((left.as_slice(), headers.len()), (others.as_slice(), 2 * others.len()));
    }
}
