//! What is known of an ILS: by its kind, by the configuration, and by what it did since the start. And what was left out
//! of messages because NCIP, or this ILS, has no place for it, so that it is said once for each cause.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{Capability, CapabilityState};
use rostercard_ncip::{Service, Versions};

use crate::settings::{NcipSettings, Switch};

/// What has been learnt since the start; nothing, where nothing was tried.
#[derive(Debug, Default)]
struct Learnt {
    lookup: Option<CapabilityState>,
    create: Option<CapabilityState>,
    update: Option<CapabilityState>,
    block: Option<CapabilityState>,
    versions: Option<Versions>,
    left_out: BTreeMap<&'static str, (Field, u64)>,
}

/// What is known of one ILS.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Learnt>);

impl Known {
    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a service did. What a read-back has shown is not forgotten because of a later doubt.
    pub(crate) fn learn(&self, service: Service, state: CapabilityState) {
        let mut learnt = self.learnt();
        let place = match service {
            Service::LookupUser => &mut learnt.lookup,
            Service::CreateUser => &mut learnt.create,
            Service::UpdateUser => &mut learnt.update,
        };
        if !(*place == Some(CapabilityState::Proven) && state == CapabilityState::Disproven) {
            *place = Some(state);
        }
    }

    /// Notes whether a block could be set.
    pub(crate) fn learn_block(&self, state: CapabilityState) {
        self.learnt().block = Some(state);
    }

    /// Notes what the ILS says of its versions and services.
    pub(crate) fn learn_versions(&self, versions: Versions) {
        self.learnt().versions = Some(versions);
    }

    /// Notes fields that a message had no place for.
    pub(crate) fn left_out(&self, fields: FieldSet) {
        let mut learnt = self.learnt();
        for field in fields.iter() {
            learnt.left_out.entry(field.word()).or_insert((field, 0)).1 += 1;
        }
    }

    /// What was left out since this was last asked, a finding for each field.
    pub(crate) fn take_left_out(&self, origin: &str) -> Vec<Finding> {
        std::mem::take(&mut self.learnt().left_out)
            .into_values()
            .map(|(field, times)| {
                let cards = if times == 1 { "one card".to_owned() } else { format!("{times} cards") };
                let message = format!(
                    "{origin}: the {field} of {cards} was left out, because there is no place for it; \
                     leave it out of the rules, or let another way of this ILS write"
                );
                Finding::new("ncip_left_out", Place::default(), message)
            })
            .collect()
    }

    /// What the ILS does with a service, and how that is known.
    pub(crate) fn service(&self, settings: &NcipSettings, service: Service) -> Capability {
        let name = service.name();
        let learnt = self.learnt();
        let seen = match service {
            Service::LookupUser => learnt.lookup,
            Service::CreateUser => learnt.create,
            Service::UpdateUser => learnt.update,
        };
        let (switch, has) = match service {
            Service::LookupUser => (Switch::Auto, true),
            Service::CreateUser => (settings.create, settings.responder.creates),
            Service::UpdateUser => (settings.update, !settings.updates.is_empty()),
        };
        let verb = match service {
            Service::LookupUser => "looked up",
            Service::CreateUser => "made",
            Service::UpdateUser => "changed",
        };
        let (title, other) = (settings.responder.title, settings.responder.other_way);
        match (switch, seen) {
            (Switch::Off, _) => {
                let key = if service == Service::CreateUser { "create" } else { "update" };
                let why = format!("{key} = \"off\": patrons are {verb} another way, and NCIP verifies");
                Capability::new(CapabilityState::Off, why)
            }
            (Switch::Auto, None) if !has => Capability::new(
                CapabilityState::Absent,
                format!("{title} has no {name}: patrons are {verb} by {other}, and NCIP verifies"),
            ),
            (_, Some(CapabilityState::Proven)) => {
                Capability::new(CapabilityState::Proven, format!("{name} worked, and a look-up showed it"))
            }
            (_, Some(CapabilityState::Disproven)) => Capability::new(
                CapabilityState::Disproven,
                format!(
                    "{name} was tried, and a look-up then showed nothing of it; write it another way: {other}"
                ),
            ),
            (_, Some(state)) => Capability::new(
                state,
                format!("the ILS refused {name} as such: patrons are {verb} another way, such as {other}"),
            ),
            (_, None) => {
                let listed = learnt.versions.as_ref().and_then(|versions| versions.lists(service));
                Capability::new(CapabilityState::Claimed, claimed(name, switch, listed))
            }
        }
    }

    /// Whether cards can be blocked, and how that is known.
    pub(crate) fn block(&self, settings: &NcipSettings) -> Capability {
        let absent = |why: &str| Capability::new(CapabilityState::Absent, why);
        let map = &settings.privileges;
        if map.category_kind.is_some() && map.status_kind.is_none() {
            return absent("no privilege says whether a card is blocked; a card ends by its expiry");
        }
        if !settings.updates.contains(Field::Category) {
            return absent("this ILS's UpdateUser does not take privileges, so a card ends by its expiry");
        }
        let update = self.service(settings, Service::UpdateUser);
        let seen = self.learnt().block;
        match seen {
            Some(state @ CapabilityState::Proven) => {
                Capability::new(state, "a look-up showed a block that was set")
            }
            Some(state) => Capability::new(state, "the ILS said yes, and a look-up then showed no block"),
            // What is known of the service is not known of a block.
            None if update.state == CapabilityState::Proven => Capability::new(
                CapabilityState::Claimed,
                "UpdateUser works; whether a status blocks a card is known once it was tried",
            ),
            None => update,
        }
    }

    /// The versions that the ILS named, if it was asked and did.
    pub(crate) fn versions(&self) -> Option<Vec<String>> {
        self.learnt().versions.as_ref().map(|versions| versions.versions.clone())
    }
}

fn claimed(name: &str, switch: Switch, listed: Option<bool>) -> String {
    match (switch, listed) {
        (Switch::On, _) => {
            format!("the configuration says that this ILS has {name}; a read-back is to show it")
        }
        (_, Some(true)) => format!("the ILS lists {name} among its services; a read-back is to show it"),
        (_, Some(false)) => {
            format!("the ILS does not list {name} among its services; it is known once it was tried")
        }
        (_, None) if name == "LookupUser" => {
            format!("NCIP has {name}; whether this ILS has it is known once it was tried")
        }
        (_, None) => format!("NCIP has {name}, but few systems do; it is known once it was tried"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Responder;

    fn settings(word: &str) -> NcipSettings {
        let mut settings = NcipSettings::new("https://ils.example.org/ncip", false, "A", "B").unwrap();
        settings.take(Responder::named(word).unwrap());
        settings
    }

    #[test]
    fn what_is_known_of_a_service() {
        use CapabilityState::{Absent, Claimed, Disproven, Off, Proven};
        use Service::{CreateUser, UpdateUser};
        let koha = settings("koha");
        let known = Known::default();
        let create = known.service(&koha, CreateUser);
        assert_eq!(create.state, Absent);
        assert_eq!(
            create.why,
            "Koha's NCIP server has no CreateUser: patrons are made by Koha's REST API, and NCIP verifies"
        );
        assert_eq!(known.service(&koha, Service::LookupUser).state, Claimed);
        let on = NcipSettings { create: Switch::On, ..koha.clone() };
        assert_eq!(known.service(&on, CreateUser).state, Claimed);
        assert_eq!(known.service(&NcipSettings { create: Switch::Off, ..koha }, CreateUser).state, Off);
        for (learnt, wanted) in
            [(Absent, Absent), (Disproven, Disproven), (Proven, Proven), (Disproven, Proven)]
        {
            known.learn(CreateUser, learnt);
            assert_eq!(known.service(&on, CreateUser).state, wanted, "{learnt}");
        }
        assert_eq!(known.service(&settings("aleph"), UpdateUser).state, Claimed);
    }

    #[test]
    fn what_the_ils_lists_is_said_and_not_believed() {
        let known = Known::default();
        let standard = settings("standard");
        assert!(known.service(&standard, Service::CreateUser).why.contains("few systems do"));
        known
            .learn_versions(Versions { versions: vec!["2.02".into()], services: vec!["Lookup User".into()] });
        let create = known.service(&standard, Service::CreateUser);
        assert_eq!(create.state, CapabilityState::Claimed);
        assert!(create.why.contains("does not list CreateUser"), "{}", create.why);
        assert!(known.service(&standard, Service::LookupUser).why.contains("lists LookupUser"));
    }

    #[test]
    fn blocks_need_a_status_and_an_update() {
        let known = Known::default();
        let state = |settings: &NcipSettings| known.block(settings).state;
        assert_eq!(state(&settings("standard")), CapabilityState::Claimed);
        assert_eq!(state(&settings("koha")), CapabilityState::Absent);
        assert_eq!(state(&settings("aleph")), CapabilityState::Absent);
        let mut profile = settings("standard");
        profile.privileges.category_kind = Some("PROFILE".into());
        assert_eq!(state(&profile), CapabilityState::Absent);
        profile.privileges.status_kind = Some("STATUS".into());
        assert_eq!(state(&profile), CapabilityState::Claimed);
    }

    #[test]
    fn what_was_left_out_is_said_once_for_each_cause() {
        let known = Known::default();
        known.left_out(FieldSet::of(&[Field::Note, Field::StudentId]));
        known.left_out(FieldSet::of(&[Field::Note]));
        let said: Vec<String> = known.take_left_out("https://ils").into_iter().map(|f| f.message).collect();
        assert_eq!(said.len(), 2);
        assert!(said[0].contains("the note of 2 cards was left out"), "{said:?}");
        assert!(said[1].contains("the student_id of one card was left out"), "{said:?}");
        assert!(known.take_left_out("https://ils").is_empty());
    }
}
