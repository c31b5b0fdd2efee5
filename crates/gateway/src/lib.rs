//! Listening, authentication and routing of every request to its operation.
