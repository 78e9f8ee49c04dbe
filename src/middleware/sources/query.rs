//! A token in the query of the URI (RFC 6750 §2.3).

use http::{Uri, uri::PathAndQuery};

use crate::{guard::Reason, middleware::sources::bearer};

pub(crate) fn token<'u>(uri: &'u Uri, name: &str, max_bytes: usize) -> Result<&'u [u8], Reason> {
    let mut values = parameters(uri).filter_map(|parameter| value_of(parameter, name));
    let token = values.next().ok_or(Reason::NoToken)?;
    if values.next().is_some() {
        return Err(Reason::SeveralTokens);
    }
    bearer::word(token.as_bytes(), max_bytes)
}

/// The URI without the parameter.
pub(crate) fn remove(uri: &mut Uri, name: &str) {
    let others: Vec<&str> = parameters(uri).filter(|parameter| value_of(parameter, name).is_none()).collect();
    let path = uri.path();
    let rest = if others.is_empty() { path.to_owned() } else { format!("{path}?{}", others.join("&")) };
    let mut parts = uri.clone().into_parts();
    // What is left of a URI is one; were it not, nothing at all is safer than the token.
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
