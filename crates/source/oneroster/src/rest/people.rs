//! People over REST: the collections that they are in, and one of them alone.

use std::ops::ControlFlow;
use std::sync::Arc;

use rostercard_core::ports::ConnectorError;
use rostercard_oneroster::rest::record::User;
use rostercard_oneroster::{Columns as _, Users};

use super::server::{Failure, Server};
use super::settings::PeopleFrom;
use super::source::{OneRosterRest, fail};
use super::stage::Stage;
use super::walk::{self, Collection, Event, How};

impl OneRosterRest {
    pub(super) async fn one_user(
        &self,
        server: &Server,
        id: &str,
        wanted: &Arc<[String]>,
    ) -> Result<Option<User>, ConnectorError> {
        let collections = match self.settings.people {
            PeopleFrom::Students => [walk::STUDENTS, walk::USERS].as_slice(),
            PeopleFrom::Users => [walk::USERS].as_slice(),
        };
        for collection in collections {
            match walk::one::<User>(server, *collection, id, wanted).await {
                Ok(Some(user)) => return Ok(Some(user)),
                Ok(None) => {}
                Err(failure) => return Err(fail(server, *collection, failure)),
            }
        }
        Ok(None)
    }

    pub(super) async fn people(
        &self,
        server: &Server,
        how: &How,
        stage: &mut Stage<'_>,
        look: &mut (dyn FnMut(&Stage<'_>) -> ControlFlow<()> + Send),
    ) -> Result<(), ConnectorError> {
        self.people_or_refusal(server, how, stage, look).await.map_err(|f| fail(server, walk::STUDENTS, f))
    }

    /// Reads people. `/users` serves where a server has no `/students` or no `/teachers`.
    pub(super) async fn people_or_refusal(
        &self,
        server: &Server,
        how: &How,
        stage: &mut Stage<'_>,
        look: &mut (dyn FnMut(&Stage<'_>) -> ControlFlow<()> + Send),
    ) -> Result<(), Failure> {
        if self.settings.people == PeopleFrom::Users {
            return self.collection(server, walk::USERS, "", how, stage, look).await.map(|_| ());
        }
        let mut wanted = vec![(walk::STUDENTS, "student")];
        if self.settings.educators {
            wanted.push((walk::TEACHERS, "teacher"));
        }
        for (collection, role) in wanted {
            match self.collection(server, collection, role, how, stage, look).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Failure::Refused { status: 404 | 405 | 501, .. }) => {
                    let message = "the server has no /students or /teachers: /users was read, and roles were looked at here";
                    stage.tally.count("read_users_instead", Users::FILE, 0, message);
                    return self.collection(server, walk::USERS, "", how, stage, look).await.map(|_| ());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Reads one collection of users into the stage; whether to go on with others.
    async fn collection(
        &self,
        server: &Server,
        collection: Collection,
        role: &'static str,
        how: &How,
        stage: &mut Stage<'_>,
        look: &mut (dyn FnMut(&Stage<'_>) -> ControlFlow<()> + Send),
    ) -> Result<bool, Failure> {
        stage.next_walk(role);
        let mut take = |event: Event<User>| {
            match event {
                Event::Start => stage.again(),
                Event::Row { item, again, .. } => stage.take(&item, again),
                Event::Broken => stage.broken += 1,
            }
            look(stage)
        };
        let walked = walk::walk(server, collection, how, &mut take).await?;
        for _ in 0..std::mem::take(&mut stage.broken) {
            let message = "something in a page is no record; whose it was is not known";
            stage.tally.count("record_broken", Users::FILE, 0, message);
            stage.tally.incomplete("record_broken");
        }
        for doubt in walked.doubts() {
            stage.tally.count(doubt, Users::FILE, 0, sentence(doubt));
            stage.tally.incomplete(doubt);
        }
        Ok(!walked.stopped)
    }
}

/// What a doubt about a walk means.
pub(super) fn sentence(doubt: &str) -> &'static str {
    match doubt {
        "total_not_reached" => {
            "the server says that there are more rows than it gives; ignore_total = true if its number means something else"
        }
        "page_malformed" => "a page was no whole JSON; what could be read of it was",
        _ => "rows came or went while they were read, each time again; read at a quieter hour",
    }
}
