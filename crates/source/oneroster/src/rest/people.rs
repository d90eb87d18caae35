//! People over REST: the collections that they are in, and one of them alone.

use std::ops::ControlFlow;
use std::sync::Arc;

use rostercard_core::ports::ConnectorError;
use rostercard_oneroster::{Columns as _, Users};

use super::form::Formed;
use super::server::{Failure, Server};
use super::settings::PeopleFrom;
use super::source::{OneRosterRest, fail};
use super::stage::Stage;
use super::walk::{self, Collection, Event, How};

impl OneRosterRest {
    /// Reads a user by its id into the stage, if the server has one.
    pub(super) async fn one_user(
        &self,
        server: &Server,
        id: &str,
        stage: &mut Stage,
    ) -> Result<bool, ConnectorError> {
        let collections = match self.settings.people {
            PeopleFrom::Students => [walk::STUDENTS, walk::USERS].as_slice(),
            PeopleFrom::Users => [walk::USERS].as_slice(),
        };
        for collection in collections {
            match walk::one::<Formed>(server, *collection, id, stage.form()).await {
                Ok(Some(user)) => {
                    stage.take(user, None);
                    return Ok(true);
                }
                Ok(None) => {}
                Err(failure) => return Err(fail(server, *collection, failure)),
            }
        }
        Ok(false)
    }

    pub(super) async fn people(
        &self,
        server: &Server,
        filter: Option<&str>,
        stage: &mut Stage,
        look: &mut (dyn FnMut(&Stage) -> ControlFlow<()> + Send),
    ) -> Result<(), ConnectorError> {
        self.people_or_refusal(server, filter, stage, look).await.map_err(|f| fail(server, walk::STUDENTS, f))
    }

    /// Reads people. `/users` serves where a server has no `/students` or no `/teachers`.
    pub(super) async fn people_or_refusal(
        &self,
        server: &Server,
        filter: Option<&str>,
        stage: &mut Stage,
        look: &mut (dyn FnMut(&Stage) -> ControlFlow<()> + Send),
    ) -> Result<(), Failure> {
        if self.settings.people == PeopleFrom::Users {
            return self.collection(server, walk::USERS, "", filter, stage, look).await.map(|_| ());
        }
        let mut wanted = vec![(walk::STUDENTS, "student")];
        if self.settings.educators {
            wanted.push((walk::TEACHERS, "teacher"));
        }
        for (collection, role) in wanted {
            match self.collection(server, collection, role, filter, stage, look).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Failure::Refused { status: 404 | 405 | 501, .. }) => {
                    let message = "the server has no /students or /teachers: /users was read, and roles were looked at here";
                    stage.tally.count("read_users_instead", Users::FILE, 0, message);
                    return self.collection(server, walk::USERS, "", filter, stage, look).await.map(|_| ());
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
        filter: Option<&str>,
        stage: &mut Stage,
        look: &mut (dyn FnMut(&Stage) -> ControlFlow<()> + Send),
    ) -> Result<bool, Failure> {
        let form = Arc::new(stage.next_walk(role));
        let how = How { filter: filter.map(str::to_owned), by: form };
        let mut take = |event: Event<Formed>| {
            match event {
                Event::Start => stage.again(),
                Event::Row { item, again } => stage.take(item, again),
                Event::Broken => stage.broken += 1,
            }
            look(stage)
        };
        let walked = walk::walk(server, collection, &how, &mut take).await?;
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
