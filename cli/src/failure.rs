use std::fmt::Display;

/// Why a command did nothing, and what the person can do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            help: None,
        }
    }

    /// A failure of which everything has been said.
    pub(crate) const fn silent() -> Self {
        Self {
            message: String::new(),
            help: None,
        }
    }

    /// In front of the message, what it is about.
    pub(crate) fn about(self, what: impl Display) -> Self {
        Self {
            message: format!("{what}: {}", self.message),
            ..self
        }
    }

    /// With what to do next.
    pub(crate) fn with_help(self, help: impl Display) -> Self {
        Self {
            help: Some(help.to_string()),
            ..self
        }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
