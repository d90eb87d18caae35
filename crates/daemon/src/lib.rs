//! The daemon: schedules, health, metrics, and the service manager.
