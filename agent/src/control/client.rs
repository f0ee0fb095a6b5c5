//! The control socket's client: what the command line speaks.

use std::path::{Path, PathBuf};

use reqwest::{Method, RequestBuilder, Response};
use serde::{Serialize, de::DeserializeOwned};

use super::{api::ApiError, error::kind_of};
use crate::{decide::Refusal, tls};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens at the socket: the daemon is dead.
    #[error(
        "no agent answers at {0}: it is not running; start it with `agent run`, or name another socket with --socket or --config"
    )]
    NotRunning(PathBuf),
    /// Somebody listens, and we may not speak to them.
    #[error(
        "no permission to use {0}: run this as root, or as a member of the group that control.group (may operate) or control.view_group (may look) names"
    )]
    Forbidden(PathBuf),
    /// The daemon refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It answered something else, or stopped in between.
    #[error("the agent at {socket} did not answer: {source}", socket = socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// It sent a line that nobody understands.
    #[error("the agent sent a line that is not understood: {0}; are both of the same version?")]
    Unclear(#[from] serde_json::Error),
}

/// A client of one socket.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

impl Client {
    /// A client of this socket; it connects with each request.
    ///
    /// # Errors
    /// If nobody listens there, or we may not.
    pub async fn connect(socket: &Path) -> Result<Self, ClientError> {
        match tokio::net::UnixStream::connect(socket).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(ClientError::Forbidden(socket.to_owned()));
            }
            Err(_) => return Err(ClientError::NotRunning(socket.to_owned())),
        }
        let broken = |source| ClientError::Broken {
            socket: socket.to_owned(),
            source,
        };
        let http = tls::without()
            .unix_socket(socket.to_owned())
            .no_proxy()
            .build()
            .map_err(broken)?;
        Ok(Self {
            http,
            socket: socket.to_owned(),
        })
    }

    /// `GET`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, ClientError> {
        self.send(self.request(Method::GET, path).query(query)).await
    }

    /// `POST` or `PUT` with a JSON body.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(self.request(method, path).json(body)).await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, ClientError> {
        self.send(self.request(Method::DELETE, path).query(query)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        // The host is not looked at: the socket is the address.
        self.http.request(method, format!("http://agent{path}"))
    }

    /// A request with a JSON body whose answer is one JSON object a line, as they come.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lines(&self, method: Method, path: &str, body: &impl Serialize) -> Result<Lines, ClientError> {
        self.lines_of(self.request(method, path).json(body)).await
    }

    /// `GET` whose answer is one JSON object a line, as they come.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn follow(&self, path: &str, query: &impl Serialize) -> Result<Lines, ClientError> {
        self.lines_of(self.request(Method::GET, path).query(query)).await
    }

    async fn lines_of(&self, request: RequestBuilder) -> Result<Lines, ClientError> {
        let response = self.accepted(request).await?;
        Ok(Lines {
            response,
            socket: self.socket.clone(),
            read: Vec::new(),
        })
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.accepted(request).await?;
        response.json().await.map_err(|source| ClientError::Broken {
            socket: self.socket.clone(),
            source,
        })
    }

    /// The answer, if it is no refusal.
    async fn accepted(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let broken = |source| ClientError::Broken {
            socket: self.socket.clone(),
            source,
        };
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let ApiError { error, hint } = response.json().await.map_err(broken)?;
        Err(ClientError::Refused(Refusal {
            kind: kind_of(status),
            error,
            hint,
        }))
    }
}

/// An answer that comes line by line.
#[derive(Debug)]
pub struct Lines {
    response: Response,
    socket: PathBuf,
    read: Vec<u8>,
}

impl Lines {
    /// The next line; `None` after the last one.
    ///
    /// # Errors
    /// The agent has stopped in between, or the line is not understood.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            let chunk = self.response.chunk().await.map_err(|source| ClientError::Broken {
                socket: self.socket.clone(),
                source,
            })?;
            match chunk {
                Some(chunk) => self.read.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}
