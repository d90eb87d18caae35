//! A practice mail server in this process.

use std::time::{Duration, Instant};

use rostercard_practice::mail::{MailServer, Message};
use tokio::runtime::{Builder, Runtime};

use super::Library;

/// A mail server with a runtime of its own.
pub(crate) struct Post {
    // Dropped in this order.
    server: MailServer,
    runtime: Runtime,
}

impl Post {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(MailServer::start()).unwrap();
        Self { server, runtime }
    }

    /// Lets a library send by it.
    pub(crate) fn serve(&self, library: &Library) {
        let lines = format!(
            "[mail]\nserver = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"Rostercard <rostercard@library.example>\"\n\
             deadline = \"2s\"",
            self.server.port()
        );
        library.append("rostercard.toml", &lines);
    }

    /// Waits until there are so many messages; takes them.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Message> {
        let begun = Instant::now();
        while self.server.messages().len() < count {
            assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", self.server.messages());
            self.pause(Duration::from_millis(50));
        }
        self.server.take()
    }

    /// Lets time pass.
    pub(crate) fn pause(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }
}

impl std::ops::Deref for Post {
    type Target = MailServer;

    fn deref(&self) -> &MailServer {
        &self.server
    }
}
