//! Calls to the process that holds the store: one JSON object a line, and one line in answer.

use std::sync::Mutex;

use duroxide::providers::ProviderError;
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

type Line = BufReader<UnixStream>;

/// Connections to one server; each call has one for itself, so that calls go on side by side.
pub struct Connection {
    socket: String,
    idle: Mutex<Vec<Line>>,
}

impl Connection {
    pub fn new(socket: &str) -> Self {
        Self { socket: socket.to_string(), idle: Mutex::default() }
    }

    /// Have the store do what `operation` names, and return what comes of it.
    pub async fn call(&self, operation: &str, arguments: Value) -> Result<Value, ProviderError> {
        let question = json!({"operation": operation, "arguments": arguments});
        let answer = self.ask(&question).await.map_err(|error| ProviderError::retryable(operation, error.to_string()))?;
        match answer.get("error") {
            None => Ok(answer["result"].clone()),
            Some(error) => Err(ProviderError {
                operation: operation.to_string(),
                message: error["message"].as_str().unwrap_or_default().to_string(),
                retryable: error["retryable"].as_bool().unwrap_or_default(),
            }),
        }
    }

    async fn ask(&self, question: &Value) -> std::io::Result<Value> {
        let kept = self.idle.lock().unwrap().pop();
        let mut line = match kept {
            Some(line) => line,
            None => BufReader::new(UnixStream::connect(&self.socket).await?),
        };
        line.get_mut().write_all(format!("{question}\n").as_bytes()).await?;
        let mut answer = String::new();
        line.read_line(&mut answer).await?;
        let answer = serde_json::from_str(&answer)?;
        self.idle.lock().unwrap().push(line);
        Ok(answer)
    }
}
