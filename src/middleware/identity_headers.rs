//! Headers in which a proxy tells who the user is.

use http::{HeaderMap, HeaderName};

/// Whether a request keeps the headers in which a proxy tells who the user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdentityHeaders {
    Removed,
    Kept,
}

/// The names that are in use, though there is no standard. Not in it are headers with a signature of their own (`x-amzn-oidc-data`,
/// `x-goog-iap-jwt-assertion` and the like), which nobody can make up.
#[rustfmt::skip]
const NAMES: [&str; 36] = [
    // CGI's, and what web servers and Authelia made of it; Kubernetes' front proxy; Grafana.
    "remote-user", "remote-name", "remote-email", "remote-groups",
    "x-remote-user", "x-remote-name", "x-remote-email", "x-remote-group", "x-remote-groups", "x-webauth-user",
    // oauth2-proxy, in both of its ways, and Traefik, nginx and Envoy beside it.
    "x-forwarded-user", "x-forwarded-email", "x-forwarded-preferred-username", "x-forwarded-groups",
    "x-forwarded-access-token",
    "x-auth-request-user", "x-auth-request-email", "x-auth-request-preferred-username", "x-auth-request-groups",
    "x-auth-request-access-token",
    // API gateways (Kong, Istio's and their like), and what people call it by themselves.
    "x-authenticated-user", "x-authenticated-userid", "x-authenticated-groups", "x-authenticated-scope",
    "x-consumer-id", "x-consumer-username", "x-consumer-custom-id", "x-credential-identifier",
    "x-user", "x-user-id", "x-user-name", "x-user-email", "x-user-roles", "x-userinfo",
    // Load balancers of Google and Amazon.
    "x-goog-authenticated-user-email", "x-amzn-oidc-identity",
];

/// Takes them all out, where there are any.
pub(crate) fn remove(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| names_a_user(name)).cloned() {
        headers.remove(name);
    }
}

fn names_a_user(name: &HeaderName) -> bool {
    let name = name.as_str();
    // Nearly every header is out after one byte.
    name.starts_with(['x', 'r']) && NAMES.iter().any(|listed| is_same_variable(listed, name))
}

/// To CGI and what comes after it, `_` in a name is `-`.
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
