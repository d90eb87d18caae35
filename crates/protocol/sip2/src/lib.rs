//! SIP 2.00: messages, frames, checksums, and the session as a state machine. No IO.
