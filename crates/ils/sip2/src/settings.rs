//! What the directory has to know of one server.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rostercard_core::privacy::Secret;
use rostercard_sip2::{Chars, Dialect, DialectFields, ErrorDetection, Stamp, Wire, Zone};

use crate::extension::Extension;

/// Where the time comes from; messages carry it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How the connection is protected. There is no way between the two: what is to be protected is never sent in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsSettings {
    /// TLS, or no connection.
    Required {
        /// Certificates to trust instead of the system's.
        ca_file: Option<PathBuf>,
        /// The SHA-256 of the server's certificate: no other is taken, and this one is, whoever signed it.
        pin: Option<[u8; 32]>,
        /// The name in the certificate, where it is not the host.
        server_name: Option<String>,
    },
    /// In clear: for a server on this machine, behind stunnel, or on a network where nobody else can listen.
    Off,
}

/// How to log in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The login name.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// The location code, where the server wants one.
    pub location: Option<String>,
}

/// How times say their zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZoneStyle {
    /// Blanks: local time.
    #[default]
    Blank,
    /// 0000: local time, as some servers want it.
    Zeros,
    /// Z: UTC.
    Utc,
}

/// The library's clock, as messages show it.
#[derive(Debug, Clone)]
pub struct ClockSettings {
    /// The library's time zone.
    pub zone: TimeZone,
    /// How it is written.
    pub style: ZoneStyle,
}

impl ClockSettings {
    /// A moment as a message writes it.
    #[must_use]
    pub fn stamp(&self, now: Timestamp) -> Option<Stamp> {
        let (zone, written) = match self.style {
            ZoneStyle::Blank => (self.zone.clone(), Zone::Local),
            ZoneStyle::Zeros => (self.zone.clone(), Zone::Written(Chars::new(*b"0000")?)),
            ZoneStyle::Utc => (TimeZone::UTC, Zone::Utc),
        };
        let at = zone.to_datetime(now);
        let small = |n: i8| u8::try_from(n).ok();
        Stamp::new(
            (u16::try_from(at.year()).ok()?, small(at.month())?, small(at.day())?),
            (small(at.hour())?, small(at.minute())?, small(at.second())?),
            written,
        )
    }
}

/// Blocking and enabling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSettings {
    /// Whether cards may be blocked at all.
    pub enabled: bool,
    /// What the library's staff read as the reason.
    pub reason: String,
    /// How many cards a run may block: the last line behind the guards.
    pub max_per_run: u32,
}

/// What the directory has to know of one server.
#[derive(Clone)]
pub struct Sip2Settings {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsSettings,
    /// The library's institution id (AO); may be empty.
    pub institution: String,
    /// The terminal's password (AC); mostly empty.
    pub terminal_password: Secret,
    /// How to log in; none where the server knows its clients by their address.
    pub login: Option<Login>,
    /// How messages look.
    pub wire: Wire,
    /// Whether they carry sequence numbers and sums.
    pub detection: ErrorDetection,
    /// Whether the server is asked for its status after the login.
    pub status: bool,
    /// Whether an answer may bear another number than the one asked for.
    pub aliases: bool,
    /// The vendor's way with 64.
    pub dialect: Dialect,
    /// Which vendor fields hold what, by the dialect and what the configuration says otherwise.
    pub fields: DialectFields,
    /// How long making a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub deadline: Duration,
    /// After how long a silent connection is tried before it is used again.
    pub keepalive: Duration,
    /// How many connections at a time. Many servers have a licence for each.
    pub max_connections: usize,
    /// How long to wait after a connection that failed, doubled with each in a row.
    pub back_off: Duration,
    /// How times are written.
    pub clock: ClockSettings,
    /// Blocking and enabling.
    pub block: BlockSettings,
    /// A card of the library's own on which a probe may try blocking.
    pub probe_card: Option<String>,
    /// Whether each new card is tried once with its PIN, as a vendor's service would.
    pub check_new_pins: bool,
    /// How the vendor's extension makes a patron, where there is one.
    pub create: Option<Extension>,
}

impl fmt::Debug for Sip2Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sip2Settings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Sip2Settings {
    /// Settings with the defaults, for a server at a host and port, in the clear or not.
    #[must_use]
    pub fn of(host: impl Into<String>, port: u16, tls: TlsSettings, zone: TimeZone) -> Self {
        Self {
            host: host.into(),
            port,
            tls,
            institution: String::new(),
            terminal_password: Secret::default(),
            login: None,
            wire: Wire::default(),
            detection: ErrorDetection::default(),
            status: true,
            aliases: false,
            dialect: Dialect::Generic,
            fields: Dialect::Generic.fields(),
            connect_timeout: Duration::from_secs(5),
            deadline: Duration::from_secs(10),
            keepalive: Duration::from_secs(240),
            max_connections: 1,
            back_off: Duration::from_millis(500),
            clock: ClockSettings { zone, style: ZoneStyle::default() },
            block: BlockSettings {
                enabled: false,
                reason: "Student program: left".to_owned(),
                max_per_run: 50,
            },
            probe_card: None,
            check_new_pins: false,
            create: None,
        }
    }

    /// Host and port, for messages.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
