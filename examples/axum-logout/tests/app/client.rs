//! A client of the application.

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::server::PATIENCE;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) url: String,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Null if there was none.
    pub(crate) body: Value,
}

pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        Self { http: reqwest::Client::new(), url: url.to_owned() }
    }

    /// Sends a request with a bearer token to a path under `/api/v1/auth`.
    pub(crate) async fn with(&self, token: &str, method: Method, path: &str) -> Answer {
        answer(self.http.request(method, self.auth(path)).bearer_auth(token)).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.with(token, Method::GET, path).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.http.post(self.auth(path)).json(body)).await
    }

    pub(crate) async fn post_text(&self, path: &str, content_type: &str, body: String) -> Answer {
        answer(self.http.post(self.auth(path)).header("content-type", content_type).body(body)).await
    }

    pub(crate) async fn health(&self) -> Answer {
        answer(self.http.get(format!("{}/healthz", self.url))).await
    }

    /// Polls until the health is as expected. Each request takes its time, so this is no busy loop.
    pub(crate) async fn wait_for_health(&self, status: u16) -> Answer {
        let asking = async {
            loop {
                let answer = self.health().await;
                if answer.status == status {
                    return answer;
                }
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("/healthz never answered {status}"))
    }

    /// Polls until the token is rejected.
    pub(crate) async fn wait_for_refusal(&self, path: &str, token: &str) {
        let asking = async { while self.get(path, token).await.status == StatusCode::OK {} };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{path} never rejected the token"));
    }

    pub(crate) async fn sign_up(&self, email: &str) -> Answer {
        self.post("/signup", &json!({ "email": email, "password": PASSWORD })).await
    }

    pub(crate) async fn log_in(&self, email: &str) -> Tokens {
        let answer = self.post("/login", &json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Tokens { access: answer.text("access_token"), refresh: answer.text("refresh_token") }
    }

    fn auth(&self, path: &str) -> String {
        format!("{}/api/v1/auth{path}", self.url)
    }
}

impl Answer {
    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body)).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that a token was rejected, with a description that contains these words.
    #[track_caller]
    pub(crate) fn is_refused(&self, words: &str) {
        assert_eq!(self.status, 401, "{}", self.body);
        assert_eq!(self.body["error"], "invalid_token");
        assert!(self.text("error_description").contains(words), "{}", self.body);
        assert!(!self.text("resolution").is_empty());
        assert!(self.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer ")));
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }

    /// Asserts an outage: the client should try again.
    #[track_caller]
    pub(crate) fn is_unavailable(&self) {
        assert_eq!(self.status, 503, "{}", self.body);
        assert!(self.header("retry-after").is_some());
        assert!(self.header("www-authenticate").is_none());
        assert!(self.body["error"].is_string());
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body =
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")) };
    Answer { status, headers, body }
}
