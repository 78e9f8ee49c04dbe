//! A parameter in the query of the URI (RFC 6750 §2.3).

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::PathAndQuery};

use crate::{
    config_error::ConfigError,
    guard::Reason,
    middleware::sources::{
        TokenSourcesBuilder,
        source::{RequestHead, Respond, Source, non_empty_within},
    },
};

#[derive(Debug)]
struct QueryParameter {
    name: Cow<'static, str>,
}

impl TokenSourcesBuilder {
    /// Also reads this parameter of the query, by convention `access_token`. RFC 6750 §2.3 advises
    /// against it.
    ///
    /// The name is compared as it is written, without decoding. Layers outside of this one see the
    /// whole URI: keep it out of their logs. [`build`](Self::build) fails if the name is empty or
    /// has other characters than ASCII letters, digits, `-`, `.`, `_`, `~`.
    pub fn query(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.source(QueryParameter { name: name.into() })
    }
}

impl Source for QueryParameter {
    fn name(&self) -> &'static str {
        "query"
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(is_allowed) {
            return Err(ConfigError::setting(
                "the name of the query's parameter is letters, digits, `-`, `.`, `_` and `~`",
            ));
        }
        Ok(())
    }

    /// Reads `GET` and `HEAD` only: they cannot change anything.
    fn find<'r>(&self, request: &'r dyn RequestHead, max_bytes: usize) -> Result<&'r [u8], Reason> {
        match *request.method() {
            Method::GET | Method::HEAD => token(request.uri(), &self.name, max_bytes),
            _ => Err(Reason::NoToken),
        }
    }

    fn conceal(&self, request: &mut dyn RequestHead) {
        remove(request.uri_mut(), &self.name);
    }

    fn respond(&self) -> Option<Respond> {
        Some(forbid_caching)
    }
}

/// RFC 6750 §2.3. It replaces the inner service's own `Cache-Control`.
fn forbid_caching(_: StatusCode, response: &mut HeaderMap) {
    response.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
}

fn token<'u>(uri: &'u Uri, name: &str, max_bytes: usize) -> Result<&'u [u8], Reason> {
    let mut values = parameters(uri).filter_map(|parameter| value_of(parameter, name));
    let token = values.next().ok_or(Reason::NoToken)?;
    if values.next().is_some() {
        return Err(Reason::SeveralTokens);
    }
    non_empty_within(token.as_bytes(), max_bytes)
}

/// Removes the parameter from the URI.
fn remove(uri: &mut Uri, name: &str) {
    let others: Vec<&str> = parameters(uri).filter(|parameter| value_of(parameter, name).is_none()).collect();
    let path = uri.path();
    let rest = if others.is_empty() { path.to_owned() } else { format!("{path}?{}", others.join("&")) };
    let mut parts = uri.clone().into_parts();
    // The rest of a URI is always a URI. If not, `/` is safer than keeping the token.
    parts.path_and_query = Some(PathAndQuery::try_from(rest).unwrap_or(PathAndQuery::from_static("/")));
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

fn parameters(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().into_iter().flat_map(|query| query.split('&'))
}

fn value_of<'p>(parameter: &'p str, name: &str) -> Option<&'p str> {
    parameter.strip_prefix(name)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::token68;

    #[test]
    fn r38_one_parameter_of_the_name_and_none_of_it_is_left() {
        let rows = [
            ("/a", Err(Reason::NoToken), "/a"),
            ("/a?", Err(Reason::NoToken), "/a?"),
            ("/a?access_token=t", Ok("t"), "/a"),
            ("/a?x=1&access_token=t&y=2", Ok("t"), "/a?x=1&y=2"),
            ("http://h:1/a?access_token=t&x", Ok("t"), "http://h:1/a?x"),
            ("/a?Access_token=t", Err(Reason::NoToken), "/a?Access_token=t"),
            ("/a?my_access_token=t", Err(Reason::NoToken), "/a?my_access_token=t"),
            ("/a?access_token", Err(Reason::NoToken), "/a?access_token"),
            ("/a?access_token=", Err(Reason::NotOneToken), "/a"),
            ("/a?access_token=t%2E", Err(Reason::NotOneToken), "/a"),
            ("/a?access_token=t&access_token=t", Err(Reason::SeveralTokens), "/a"),
        ];
        for (text, expected, left) in rows {
            let mut uri: Uri = text.parse().unwrap();
            let found = token(&uri, "access_token", 40).and_then(|token| token68(token).ok_or(Reason::NotOneToken));
            assert_eq!(found, expected, "{text}");
            remove(&mut uri, "access_token");
            assert_eq!(uri.to_string(), left, "{text}");
        }
    }
}
