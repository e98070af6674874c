//! Answers that may have to be waited for.

use serde_json::Value;

use crate::api::{ApiError, Method};

/// The answer to a request.
pub enum Answer {
    /// It is there.
    Now(Result<Value, ApiError>),
    /// It is there after waiting for something. Meanwhile other requests can be carried out.
    Later(Waiting),
}

/// Waits for the answer to a request.
pub struct Waiting(Box<dyn FnOnce() -> Result<Value, ApiError> + Send>);

impl Answer {
    /// The answer of a method that need not wait.
    pub(super) fn now<M: Method>(result: Result<M::Result, ApiError>) -> Self {
        Self::Now(result.and_then(|result| json::<M>(&result)))
    }

    /// The answer of a method that waits: what it has begun, or why it has begun nothing.
    pub(super) fn later<M: Method>(
        begun: Result<impl FnOnce() -> Result<M::Result, ApiError> + Send + 'static, ApiError>,
    ) -> Self {
        match begun {
            Ok(wait) => {
                Self::Later(Waiting(Box::new(move || wait().and_then(|result| json::<M>(&result)))))
            }
            Err(error) => Self::Now(Err(error)),
        }
    }

    /// Waits for the answer.
    pub fn wait(self) -> Result<Value, ApiError> {
        match self {
            Self::Now(result) => result,
            Self::Later(waiting) => waiting.wait(),
        }
    }
}

impl Waiting {
    /// Waits for the answer.
    pub fn wait(self) -> Result<Value, ApiError> {
        (self.0)()
    }
}

fn json<M: Method>(result: &M::Result) -> Result<Value, ApiError> {
    serde_json::to_value(result).map_err(ApiError::internal)
}
