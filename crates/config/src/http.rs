//! `[http]`: where the daemon can be asked how it is, and who may see its page. The secrets behind the tokens are not read
//! here; who holds one is the program's matter.

use std::net::SocketAddr;
use std::time::Duration;

use crate::kind::{AName, Bool, List, Parsed, Span, Word, Wrong};
use crate::main_file::name_of;
use crate::names::Name;
use crate::place::{Place, Placed};
use crate::problem::{Code, Problem};
use crate::reader::TableReader;
use crate::secret::{Clear, SecretRef};

/// `[http]`.
#[derive(Clone, Debug)]
pub struct Http {
    /// The address it listens at; none: it does not listen.
    pub listen: Option<SocketAddr>,
    /// A web server with TLS stands before it: cookies are then sent over TLS alone, and an address that other machines
    /// can reach is not warned of.
    pub tls_in_front: bool,
    /// How long a login lasts.
    pub session: Duration,
    /// `[http.tokens.NAME]`, in the order of the file.
    pub tokens: Vec<PageToken>,
}

/// `[http.tokens.NAME]`: who may see the page, and what they may do there.
#[derive(Clone, Debug)]
pub struct PageToken {
    /// Whose it is; the audit log has this name.
    pub name: Name,
    /// What its holder may do.
    pub role: PageRole,
    /// Where the token itself is kept.
    pub token: SecretRef,
    /// The partnerships that its holder sees; `None` for all.
    pub partnerships: Option<Placed<Vec<Name>>>,
    /// Where it is said.
    pub place: Place,
}

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageRole {
    /// Looks, at numbers of which small ones are held back.
    Viewer,
    /// Looks, approves, discards, and answers reviews.
    Approver,
    /// All that, pauses and resumes, and reads the audit log.
    Administrator,
}

/// The words of [`PageRole`].
const ROLES: [(&str, PageRole); 3] = [
    ("viewer", PageRole::Viewer),
    ("approver", PageRole::Approver),
    ("administrator", PageRole::Administrator),
];

/// A working day.
const SESSION: Duration = Duration::from_secs(8 * 3_600);
const SHORTEST: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

impl Default for Http {
    fn default() -> Self {
        Self { listen: None, tls_in_front: false, session: SESSION, tokens: Vec::new() }
    }
}

pub(crate) fn read(mut table: TableReader<'_>) -> Http {
    let listen = table.optional("listen", &Parsed(address));
    let tls_in_front = table.or("tls_in_front", &Bool, false).value;
    let session = table.or("session", &Span(SHORTEST..=LONGEST), SESSION).value;
    let tokens = table.table("tokens").map(tokens).unwrap_or_default();
    if let Some(open) = listen.as_ref().filter(|listen| !listen.value.ip().is_loopback() && !tls_in_front) {
        let problem = if tokens.is_empty() {
            Problem::about(
                open,
                Code::Unwise,
                "other machines can ask here without a password",
                "write \"127.0.0.1:9464\", and let a web server with TLS and a login stand before it",
            )
        } else {
            Problem::about(
                open,
                Code::Unwise,
                "other machines can ask here, and tokens cross the network in clear",
                "write \"127.0.0.1:9464\" and let a web server with TLS stand before it; where one does already, \
                 write tls_in_front = true",
            )
        };
        table.problems().add(problem.as_warning());
    }
    if let (None, Some(first)) = (&listen, tokens.first()) {
        table.problems().add(Problem::warning(
            Code::Contradiction,
            first.place.clone(),
            "http.tokens",
            "there are tokens, and the daemon does not listen: nobody can use them",
            "add a line below [http]: listen = \"127.0.0.1:9464\"",
        ));
    }
    table.finish();
    Http { listen: listen.map(|listen| listen.value), tls_in_front, session, tokens }
}

fn tokens(mut table: TableReader<'_>) -> Vec<PageToken> {
    let all = table.map_tables();
    let read = all.into_iter().filter_map(|(name, table)| {
        let name = name_of(&name, table.problems());
        let token = token(table);
        token.and_then(|(role, token, partnerships, place)| {
            Some(PageToken { name: name?, role, token, partnerships, place })
        })
    });
    let read = read.collect();
    table.finish();
    read
}

type Read = (PageRole, SecretRef, Option<Placed<Vec<Name>>>, Place);

fn token(mut table: TableReader<'_>) -> Option<Read> {
    let place = table.place().clone();
    let role = table.required("role", &Word(&ROLES), "\"viewer\"");
    let token = table.required_secret("token", Clear::Refused);
    let partnerships = table.optional("partnerships", &List { of: AName, empty: false });
    let said = table.has("partnerships");
    let whole = table.finish();
    // A list with a mistake in it is no list: without this, its token would see everything.
    let scoped = !said || partnerships.is_some();
    (whole && scoped).then_some((role?.value, token?, partnerships, place))
}

fn address(text: &str) -> Result<SocketAddr, Wrong> {
    let wrong = || Wrong::value("is not an address and a port", "write, for example, \"127.0.0.1:9464\"");
    text.parse().map_err(|_| wrong())
}
